CREATE TABLE `customer_accesskeys` (
	`id` varchar(36) NOT NULL,
	`customer_id` varchar(36) NOT NULL,
	`version` int NOT NULL DEFAULT 1,
	`tm_create` datetime(6) NOT NULL,
	`tm_update` datetime(6) NOT NULL,
	`tm_delete` datetime(6) NOT NULL DEFAULT '9999-01-01 00:00:00.000000',
	`agent_id` varchar(36),
	`name` varchar(255) NOT NULL,
	`detail` varchar(1000) NOT NULL,
	`token_prefix` varchar(11) NOT NULL,
	`token_hash` varchar(64) NOT NULL,
	`old_token_hash` varchar(64),
	`scopes` json NOT NULL,
	`tm_expire` datetime(6),
	`tm_last_used` datetime(6),
	`tm_overlap_end` datetime(6),
	CONSTRAINT `customer_accesskeys_id` PRIMARY KEY(`id`),
	CONSTRAINT `customer_accesskeys_hash` UNIQUE(`token_hash`),
	CONSTRAINT `customer_accesskeys_old_hash` UNIQUE(`old_token_hash`)
);
--> statement-breakpoint
CREATE TABLE `customer_customers` (
	`id` varchar(36) NOT NULL,
	`customer_id` varchar(36) NOT NULL,
	`version` int NOT NULL DEFAULT 1,
	`tm_create` datetime(6) NOT NULL,
	`tm_update` datetime(6) NOT NULL,
	`tm_delete` datetime(6) NOT NULL DEFAULT '9999-01-01 00:00:00.000000',
	`name` varchar(255) NOT NULL,
	`detail` varchar(1000) NOT NULL,
	`email` varchar(255) NOT NULL,
	`email_key` varchar(64) NOT NULL,
	`phone_number` varchar(32) NOT NULL,
	`address` varchar(1000) NOT NULL,
	`status` varchar(16) NOT NULL,
	`webhook_uri` varchar(2048),
	`webhook_method` varchar(8) NOT NULL,
	`webhook_secret` text NOT NULL,
	`old_webhook_secrets` text,
	`rate_limits` json NOT NULL,
	CONSTRAINT `customer_customers_id` PRIMARY KEY(`id`),
	CONSTRAINT `customer_customers_email` UNIQUE(`email_key`,`tm_delete`)
);
--> statement-breakpoint
CREATE TABLE `customer_inbox` (
	`message_id` varchar(64) NOT NULL,
	`step` int NOT NULL,
	`result` json,
	`tm_create` datetime(6) NOT NULL,
	CONSTRAINT `customer_inbox_pk` PRIMARY KEY(`message_id`,`step`)
);
--> statement-breakpoint
CREATE TABLE `customer_outbox` (
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
	CONSTRAINT `customer_outbox_id` PRIMARY KEY(`id`)
);
--> statement-breakpoint
CREATE TABLE `customer_sequences` (
	`resource_id` varchar(64) NOT NULL,
	`seq` bigint NOT NULL,
	CONSTRAINT `customer_sequences_resource_id` PRIMARY KEY(`resource_id`)
);
--> statement-breakpoint
CREATE TABLE `customer_timers` (
	`id` varchar(36) NOT NULL,
	`timer_key` varchar(191) NOT NULL,
	`name` varchar(64) NOT NULL,
	`customer_id` varchar(36) NOT NULL,
	`payload` json NOT NULL,
	`caller` json NOT NULL,
	`tm_due` datetime(6) NOT NULL,
	`tm_lease` datetime(6),
	`attempts` int NOT NULL DEFAULT 0,
	CONSTRAINT `customer_timers_id` PRIMARY KEY(`id`),
	CONSTRAINT `customer_timers_key` UNIQUE(`timer_key`)
);
--> statement-breakpoint
CREATE INDEX `customer_accesskeys_list` ON `customer_accesskeys` (`customer_id`,`tm_delete`,`tm_create`,`id`);--> statement-breakpoint
CREATE INDEX `customer_accesskeys_agent` ON `customer_accesskeys` (`customer_id`,`agent_id`);--> statement-breakpoint
CREATE INDEX `customer_customers_list` ON `customer_customers` (`customer_id`,`tm_delete`,`tm_create`,`id`);--> statement-breakpoint
CREATE INDEX `customer_customers_age` ON `customer_customers` (`tm_delete`,`tm_create`,`id`);--> statement-breakpoint
CREATE INDEX `customer_inbox_age` ON `customer_inbox` (`tm_create`);--> statement-breakpoint
CREATE INDEX `customer_timers_due` ON `customer_timers` (`tm_due`);