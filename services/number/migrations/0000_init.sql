CREATE TABLE `number_numbers` (
	`id` varchar(36) NOT NULL,
	`customer_id` varchar(36) NOT NULL,
	`version` int NOT NULL DEFAULT 1,
	`tm_create` datetime(6) NOT NULL,
	`tm_update` datetime(6) NOT NULL,
	`tm_delete` datetime(6) NOT NULL DEFAULT '9999-01-01 00:00:00.000000',
	`number` varchar(16) NOT NULL,
	`type` varchar(16) NOT NULL,
	`call_flow_id` varchar(36),
	`message_flow_id` varchar(36),
	`name` varchar(255) NOT NULL,
	`detail` varchar(1000) NOT NULL,
	`status` varchar(16) NOT NULL,
	`stock` json,
	`tm_purchase` datetime(6) NOT NULL,
	CONSTRAINT `number_numbers_id` PRIMARY KEY(`id`),
	CONSTRAINT `number_numbers_number` UNIQUE(`number`,`tm_delete`)
);
--> statement-breakpoint
CREATE TABLE `number_stock` (
	`number` varchar(16) NOT NULL,
	`country` varchar(2) NOT NULL,
	`region` varchar(255) NOT NULL,
	`features` json NOT NULL,
	`held_for` varchar(36),
	CONSTRAINT `number_stock_number` PRIMARY KEY(`number`)
);
--> statement-breakpoint
CREATE TABLE `number_inbox` (
	`message_id` varchar(64) NOT NULL,
	`step` int NOT NULL,
	`result` json,
	`tm_create` datetime(6) NOT NULL,
	CONSTRAINT `number_inbox_pk` PRIMARY KEY(`message_id`,`step`)
);
--> statement-breakpoint
CREATE TABLE `number_outbox` (
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
	CONSTRAINT `number_outbox_id` PRIMARY KEY(`id`)
);
--> statement-breakpoint
CREATE TABLE `number_sequences` (
	`resource_id` varchar(64) NOT NULL,
	`seq` bigint NOT NULL,
	CONSTRAINT `number_sequences_resource_id` PRIMARY KEY(`resource_id`)
);
--> statement-breakpoint
CREATE TABLE `number_timers` (
	`id` varchar(36) NOT NULL,
	`timer_key` varchar(191) NOT NULL,
	`name` varchar(64) NOT NULL,
	`customer_id` varchar(36) NOT NULL,
	`payload` json NOT NULL,
	`caller` json NOT NULL,
	`tm_due` datetime(6) NOT NULL,
	`tm_lease` datetime(6),
	`attempts` int NOT NULL DEFAULT 0,
	CONSTRAINT `number_timers_id` PRIMARY KEY(`id`),
	CONSTRAINT `number_timers_key` UNIQUE(`timer_key`)
);
--> statement-breakpoint
CREATE INDEX `number_numbers_list` ON `number_numbers` (`customer_id`,`tm_delete`,`tm_create`,`id`);--> statement-breakpoint
CREATE INDEX `number_numbers_flow` ON `number_numbers` (`call_flow_id`);--> statement-breakpoint
CREATE INDEX `number_numbers_message_flow` ON `number_numbers` (`message_flow_id`);--> statement-breakpoint
CREATE INDEX `number_stock_country` ON `number_stock` (`country`,`number`);--> statement-breakpoint
CREATE INDEX `number_inbox_age` ON `number_inbox` (`tm_create`);--> statement-breakpoint
CREATE INDEX `number_timers_due` ON `number_timers` (`tm_due`);