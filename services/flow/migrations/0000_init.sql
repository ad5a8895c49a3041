CREATE TABLE `flow_activeflows` (
	`id` varchar(36) NOT NULL,
	`customer_id` varchar(36) NOT NULL,
	`version` int NOT NULL DEFAULT 1,
	`tm_create` datetime(6) NOT NULL,
	`tm_update` datetime(6) NOT NULL,
	`tm_delete` datetime(6) NOT NULL DEFAULT '9999-01-01 00:00:00.000000',
	`flow_id` varchar(36),
	`status` varchar(16) NOT NULL,
	`end_reason` varchar(16),
	`reference_type` varchar(16) NOT NULL,
	`reference_id` varchar(36),
	`call_id` varchar(36),
	`webhook_uri` text,
	`webhook_method` varchar(8) NOT NULL,
	`current_action` json,
	`current_action_run_id` varchar(36),
	`executed_actions` json NOT NULL,
	`tm_end` datetime(6),
	`awaits_answer` boolean NOT NULL DEFAULT false,
	`variables` json NOT NULL,
	`loops` json NOT NULL,
	`executed_count` int NOT NULL DEFAULT 0,
	CONSTRAINT `flow_activeflows_id` PRIMARY KEY(`id`),
	CONSTRAINT `flow_activeflows_reference` UNIQUE(`reference_type`,`reference_id`)
);
--> statement-breakpoint
CREATE TABLE `flow_flows` (
	`id` varchar(36) NOT NULL,
	`customer_id` varchar(36) NOT NULL,
	`version` int NOT NULL DEFAULT 1,
	`tm_create` datetime(6) NOT NULL,
	`tm_update` datetime(6) NOT NULL,
	`tm_delete` datetime(6) NOT NULL DEFAULT '9999-01-01 00:00:00.000000',
	`name` varchar(255) NOT NULL,
	`detail` varchar(1000) NOT NULL,
	`actions` json NOT NULL,
	CONSTRAINT `flow_flows_id` PRIMARY KEY(`id`)
);
--> statement-breakpoint
CREATE TABLE `flow_inbox` (
	`message_id` varchar(64) NOT NULL,
	`step` int NOT NULL,
	`result` json,
	`tm_create` datetime(6) NOT NULL,
	CONSTRAINT `flow_inbox_pk` PRIMARY KEY(`message_id`,`step`)
);
--> statement-breakpoint
CREATE TABLE `flow_outbox` (
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
	CONSTRAINT `flow_outbox_id` PRIMARY KEY(`id`)
);
--> statement-breakpoint
CREATE TABLE `flow_scripts` (
	`activeflow_id` varchar(36) NOT NULL,
	`actions` json NOT NULL,
	CONSTRAINT `flow_scripts_activeflow_id` PRIMARY KEY(`activeflow_id`)
);
--> statement-breakpoint
CREATE TABLE `flow_sequences` (
	`resource_id` varchar(64) NOT NULL,
	`seq` bigint NOT NULL,
	CONSTRAINT `flow_sequences_resource_id` PRIMARY KEY(`resource_id`)
);
--> statement-breakpoint
CREATE TABLE `flow_timers` (
	`id` varchar(36) NOT NULL,
	`timer_key` varchar(191) NOT NULL,
	`name` varchar(64) NOT NULL,
	`customer_id` varchar(36) NOT NULL,
	`payload` json NOT NULL,
	`caller` json NOT NULL,
	`tm_due` datetime(6) NOT NULL,
	`tm_lease` datetime(6),
	`attempts` int NOT NULL DEFAULT 0,
	CONSTRAINT `flow_timers_id` PRIMARY KEY(`id`),
	CONSTRAINT `flow_timers_key` UNIQUE(`timer_key`)
);
--> statement-breakpoint
CREATE INDEX `flow_activeflows_list` ON `flow_activeflows` (`customer_id`,`tm_delete`,`tm_create`,`id`);--> statement-breakpoint
CREATE INDEX `flow_activeflows_flow` ON `flow_activeflows` (`flow_id`);--> statement-breakpoint
CREATE INDEX `flow_activeflows_status` ON `flow_activeflows` (`customer_id`,`status`);--> statement-breakpoint
CREATE INDEX `flow_flows_list` ON `flow_flows` (`customer_id`,`tm_delete`,`tm_create`,`id`);--> statement-breakpoint
CREATE INDEX `flow_flows_name` ON `flow_flows` (`customer_id`,`name`);--> statement-breakpoint
CREATE INDEX `flow_inbox_age` ON `flow_inbox` (`tm_create`);--> statement-breakpoint
CREATE INDEX `flow_timers_due` ON `flow_timers` (`tm_due`);