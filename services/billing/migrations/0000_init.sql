CREATE TABLE `billing_accounts` (
	`id` varchar(36) NOT NULL,
	`customer_id` varchar(36) NOT NULL,
	`version` int NOT NULL DEFAULT 1,
	`tm_create` datetime(6) NOT NULL,
	`tm_update` datetime(6) NOT NULL,
	`tm_delete` datetime(6) NOT NULL DEFAULT '9999-01-01 00:00:00.000000',
	`name` varchar(255) NOT NULL,
	`detail` varchar(1000) NOT NULL,
	`currency` varchar(3) NOT NULL,
	`payment_type` varchar(16) NOT NULL,
	`balance` bigint NOT NULL,
	`balance_reserved` bigint NOT NULL,
	`balance_low_threshold` bigint NOT NULL,
	`is_low` boolean NOT NULL,
	`is_exhausted` boolean NOT NULL,
	CONSTRAINT `billing_accounts_id` PRIMARY KEY(`id`),
	CONSTRAINT `billing_accounts_customer` UNIQUE(`customer_id`)
);
--> statement-breakpoint
CREATE TABLE `billing_billings` (
	`id` varchar(36) NOT NULL,
	`customer_id` varchar(36) NOT NULL,
	`version` int NOT NULL DEFAULT 1,
	`tm_create` datetime(6) NOT NULL,
	`tm_update` datetime(6) NOT NULL,
	`tm_delete` datetime(6) NOT NULL DEFAULT '9999-01-01 00:00:00.000000',
	`billing_account_id` varchar(36) NOT NULL,
	`transaction_type` varchar(16) NOT NULL,
	`status` varchar(16) NOT NULL,
	`reference_type` varchar(32) NOT NULL,
	`reference_id` varchar(36) NOT NULL,
	`cost_type` varchar(32),
	`source` varchar(255) NOT NULL DEFAULT '',
	`destination` varchar(255) NOT NULL DEFAULT '',
	`usage_duration` int,
	`billable_units` int NOT NULL DEFAULT 0,
	`rate_per_unit` bigint NOT NULL DEFAULT 0,
	`unit_duration` int NOT NULL DEFAULT 0,
	`amount_reserved` bigint NOT NULL DEFAULT 0,
	`amount` bigint NOT NULL DEFAULT 0,
	`balance_after` bigint,
	`detail` varchar(1000) NOT NULL DEFAULT '',
	`tm_billing_start` datetime(6),
	`tm_billing_end` datetime(6),
	CONSTRAINT `billing_billings_id` PRIMARY KEY(`id`),
	CONSTRAINT `billing_billings_reference` UNIQUE(`reference_type`,`reference_id`)
);
--> statement-breakpoint
CREATE TABLE `billing_rates` (
	`id` varchar(36) NOT NULL,
	`customer_id` varchar(36) NOT NULL,
	`version` int NOT NULL DEFAULT 1,
	`tm_create` datetime(6) NOT NULL,
	`tm_update` datetime(6) NOT NULL,
	`tm_delete` datetime(6) NOT NULL DEFAULT '9999-01-01 00:00:00.000000',
	`cost_type` varchar(32) NOT NULL,
	`prefix` varchar(16) NOT NULL,
	`name` varchar(255) NOT NULL,
	`rate_per_unit` bigint NOT NULL,
	`unit_duration` int NOT NULL,
	CONSTRAINT `billing_rates_id` PRIMARY KEY(`id`),
	CONSTRAINT `billing_rates_prefix` UNIQUE(`cost_type`,`prefix`,`tm_delete`)
);
--> statement-breakpoint
CREATE TABLE `billing_inbox` (
	`message_id` varchar(64) NOT NULL,
	`step` int NOT NULL,
	`result` json,
	`tm_create` datetime(6) NOT NULL,
	CONSTRAINT `billing_inbox_pk` PRIMARY KEY(`message_id`,`step`)
);
--> statement-breakpoint
CREATE TABLE `billing_outbox` (
	`id` bigint AUTO_INCREMENT NOT NULL,
	`event_id` varchar(36) NOT NULL,
	`event_type` varchar(64) NOT NULL,
	`domain` varchar(64) NOT NULL,
	`customer_id` varchar(36) NOT NULL,
	`resource_type` varchar(64) NOT NULL,
	`resource_id` varchar(64) NOT NULL,
	`resource_seq` int NOT NULL,
	`request_id` varchar(64) NOT NULL,
	`payload` json NOT NULL,
	`tm_create` datetime(6) NOT NULL,
	CONSTRAINT `billing_outbox_id` PRIMARY KEY(`id`)
);
--> statement-breakpoint
CREATE TABLE `billing_sequences` (
	`resource_id` varchar(64) NOT NULL,
	`seq` bigint NOT NULL,
	CONSTRAINT `billing_sequences_resource_id` PRIMARY KEY(`resource_id`)
);
--> statement-breakpoint
CREATE TABLE `billing_timers` (
	`id` varchar(36) NOT NULL,
	`timer_key` varchar(191) NOT NULL,
	`name` varchar(64) NOT NULL,
	`customer_id` varchar(36) NOT NULL,
	`payload` json NOT NULL,
	`caller` json NOT NULL,
	`tm_due` datetime(6) NOT NULL,
	`tm_lease` datetime(6),
	`attempts` int NOT NULL DEFAULT 0,
	CONSTRAINT `billing_timers_id` PRIMARY KEY(`id`),
	CONSTRAINT `billing_timers_key` UNIQUE(`timer_key`)
);
--> statement-breakpoint
CREATE INDEX `billing_accounts_list` ON `billing_accounts` (`customer_id`,`tm_delete`,`tm_create`,`id`);--> statement-breakpoint
CREATE INDEX `billing_billings_list` ON `billing_billings` (`customer_id`,`tm_delete`,`tm_create`,`id`);--> statement-breakpoint
CREATE INDEX `billing_billings_status` ON `billing_billings` (`customer_id`,`status`);--> statement-breakpoint
CREATE INDEX `billing_rates_list` ON `billing_rates` (`customer_id`,`tm_delete`,`tm_create`,`id`);--> statement-breakpoint
CREATE INDEX `billing_inbox_age` ON `billing_inbox` (`tm_create`);--> statement-breakpoint
CREATE INDEX `billing_timers_due` ON `billing_timers` (`tm_due`);