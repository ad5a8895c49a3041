CREATE TABLE `webhook_addresses` (
	`id` varchar(36) NOT NULL,
	`customer_id` varchar(36) NOT NULL,
	`target_type` varchar(16) NOT NULL,
	`queue` varchar(80) NOT NULL,
	`uri` varchar(2048) NOT NULL,
	`status` varchar(16) NOT NULL,
	`disabled_reason` varchar(16),
	`disabled_detail` varchar(1000),
	`tm_last_failure` datetime(6) NOT NULL,
	`tm_failing` datetime(6) NOT NULL,
	`failure_count` int NOT NULL,
	`tm_notice` datetime(6),
	`tm_probe` datetime(6),
	`tm_create` datetime(6) NOT NULL,
	`tm_update` datetime(6) NOT NULL,
	CONSTRAINT `webhook_addresses_id` PRIMARY KEY(`id`),
	CONSTRAINT `webhook_addresses_place` UNIQUE(`queue`,`target_type`)
);
--> statement-breakpoint
CREATE TABLE `webhook_attempts` (
	`id` varchar(36) NOT NULL,
	`customer_id` varchar(36) NOT NULL,
	`webhook_delivery_id` varchar(36) NOT NULL,
	`webhook_id` varchar(36),
	`event_type` varchar(64) NOT NULL,
	`attempt` int NOT NULL,
	`outcome` varchar(16) NOT NULL,
	`method` varchar(8) NOT NULL,
	`uri` varchar(2048) NOT NULL,
	`tm_start` datetime(6) NOT NULL,
	`duration_ms` int NOT NULL,
	`status_code` int,
	`error` varchar(255),
	`remote_ip` varchar(45),
	`request_headers` json NOT NULL,
	`response_headers` json NOT NULL,
	`response_body` mediumtext NOT NULL,
	`tm_create` datetime(6) NOT NULL,
	CONSTRAINT `webhook_attempts_id` PRIMARY KEY(`id`),
	CONSTRAINT `webhook_attempts_delivery` UNIQUE(`webhook_delivery_id`,`attempt`)
);
--> statement-breakpoint
CREATE TABLE `webhook_deliveries` (
	`id` varchar(36) NOT NULL,
	`customer_id` varchar(36) NOT NULL,
	`version` int NOT NULL DEFAULT 1,
	`tm_create` datetime(6) NOT NULL,
	`tm_update` datetime(6) NOT NULL,
	`tm_delete` datetime(6) NOT NULL DEFAULT '9999-01-01 00:00:00.000000',
	`target_type` varchar(16) NOT NULL,
	`webhook_id` varchar(36),
	`activeflow_id` varchar(36),
	`uri` varchar(2048) NOT NULL,
	`method` varchar(8) NOT NULL,
	`event_id` varchar(36) NOT NULL,
	`event_type` varchar(64) NOT NULL,
	`resource_type` varchar(64) NOT NULL,
	`resource_id` varchar(64) NOT NULL,
	`status` varchar(16) NOT NULL,
	`attempt_count` int NOT NULL,
	`replay_of_id` varchar(36),
	`webhook_replay_id` varchar(36),
	`request_body` mediumtext NOT NULL,
	`content_type` varchar(255) NOT NULL,
	`request_id` varchar(64) NOT NULL,
	`timeout` int NOT NULL,
	`retry_schedule` json NOT NULL,
	`queue` varchar(80),
	`lane` varchar(140),
	`tm_due` datetime(6),
	`tm_next_attempt` datetime(6),
	`tm_finish` datetime(6),
	CONSTRAINT `webhook_deliveries_id` PRIMARY KEY(`id`)
);
--> statement-breakpoint
CREATE TABLE `webhook_replays` (
	`id` varchar(36) NOT NULL,
	`customer_id` varchar(36) NOT NULL,
	`version` int NOT NULL DEFAULT 1,
	`tm_create` datetime(6) NOT NULL,
	`tm_update` datetime(6) NOT NULL,
	`tm_delete` datetime(6) NOT NULL DEFAULT '9999-01-01 00:00:00.000000',
	`webhook_id` varchar(36),
	`tm_from` datetime(6) NOT NULL,
	`tm_to` datetime(6) NOT NULL,
	`delivery_statuses` json NOT NULL,
	`event_types` json NOT NULL,
	`status` varchar(16) NOT NULL,
	`tm_position` datetime(6),
	`position_id` varchar(36),
	`queued_count` int NOT NULL DEFAULT 0,
	`tm_finish` datetime(6),
	CONSTRAINT `webhook_replays_id` PRIMARY KEY(`id`)
);
--> statement-breakpoint
CREATE TABLE `webhook_webhooks` (
	`id` varchar(36) NOT NULL,
	`customer_id` varchar(36) NOT NULL,
	`version` int NOT NULL DEFAULT 1,
	`tm_create` datetime(6) NOT NULL,
	`tm_update` datetime(6) NOT NULL,
	`tm_delete` datetime(6) NOT NULL DEFAULT '9999-01-01 00:00:00.000000',
	`name` varchar(255) NOT NULL,
	`detail` varchar(1000) NOT NULL,
	`uri` varchar(2048) NOT NULL,
	`method` varchar(8) NOT NULL,
	`event_types` json NOT NULL,
	`status` varchar(16) NOT NULL,
	`disabled_reason` varchar(16),
	`disabled_detail` varchar(1000),
	`ordered` boolean NOT NULL,
	`timeout` int NOT NULL,
	`retry_schedule` json NOT NULL,
	`secret` text NOT NULL,
	`old_secrets` text,
	`tm_secret_overlap_end` datetime(6),
	`tm_last_success` datetime(6),
	`tm_last_failure` datetime(6),
	`tm_failing` datetime(6),
	`failure_count` int NOT NULL DEFAULT 0,
	`tm_notice` datetime(6),
	CONSTRAINT `webhook_webhooks_id` PRIMARY KEY(`id`)
);
--> statement-breakpoint
CREATE TABLE `webhook_inbox` (
	`message_id` varchar(64) NOT NULL,
	`step` int NOT NULL,
	`result` json,
	`tm_create` datetime(6) NOT NULL,
	CONSTRAINT `webhook_inbox_pk` PRIMARY KEY(`message_id`,`step`)
);
--> statement-breakpoint
CREATE TABLE `webhook_outbox` (
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
	CONSTRAINT `webhook_outbox_id` PRIMARY KEY(`id`)
);
--> statement-breakpoint
CREATE TABLE `webhook_sequences` (
	`resource_id` varchar(64) NOT NULL,
	`seq` bigint NOT NULL,
	CONSTRAINT `webhook_sequences_resource_id` PRIMARY KEY(`resource_id`)
);
--> statement-breakpoint
CREATE TABLE `webhook_timers` (
	`id` varchar(36) NOT NULL,
	`timer_key` varchar(191) NOT NULL,
	`name` varchar(64) NOT NULL,
	`customer_id` varchar(36) NOT NULL,
	`payload` json NOT NULL,
	`caller` json NOT NULL,
	`tm_due` datetime(6) NOT NULL,
	`tm_lease` datetime(6),
	`attempts` int NOT NULL DEFAULT 0,
	CONSTRAINT `webhook_timers_id` PRIMARY KEY(`id`),
	CONSTRAINT `webhook_timers_key` UNIQUE(`timer_key`)
);
--> statement-breakpoint
CREATE INDEX `webhook_addresses_customer` ON `webhook_addresses` (`customer_id`,`status`);--> statement-breakpoint
CREATE INDEX `webhook_attempts_list` ON `webhook_attempts` (`customer_id`,`tm_create`,`id`);--> statement-breakpoint
CREATE INDEX `webhook_attempts_webhook` ON `webhook_attempts` (`webhook_id`,`tm_create`,`id`);--> statement-breakpoint
CREATE INDEX `webhook_deliveries_list` ON `webhook_deliveries` (`customer_id`,`tm_delete`,`tm_create`,`id`);--> statement-breakpoint
CREATE INDEX `webhook_deliveries_queue` ON `webhook_deliveries` (`queue`,`tm_due`);--> statement-breakpoint
CREATE INDEX `webhook_deliveries_lane` ON `webhook_deliveries` (`lane`,`tm_create`,`id`);--> statement-breakpoint
CREATE INDEX `webhook_deliveries_webhook` ON `webhook_deliveries` (`webhook_id`,`tm_create`,`id`);--> statement-breakpoint
CREATE INDEX `webhook_deliveries_resource` ON `webhook_deliveries` (`customer_id`,`resource_id`);--> statement-breakpoint
CREATE INDEX `webhook_deliveries_replay` ON `webhook_deliveries` (`webhook_replay_id`,`status`);--> statement-breakpoint
CREATE INDEX `webhook_replays_list` ON `webhook_replays` (`customer_id`,`tm_delete`,`tm_create`,`id`);--> statement-breakpoint
CREATE INDEX `webhook_replays_webhook` ON `webhook_replays` (`customer_id`,`webhook_id`,`status`);--> statement-breakpoint
CREATE INDEX `webhook_webhooks_list` ON `webhook_webhooks` (`customer_id`,`tm_delete`,`tm_create`,`id`);--> statement-breakpoint
CREATE INDEX `webhook_inbox_age` ON `webhook_inbox` (`tm_create`);--> statement-breakpoint
CREATE INDEX `webhook_timers_due` ON `webhook_timers` (`tm_due`);