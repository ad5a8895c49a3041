CREATE TABLE `agent_agents` (
	`id` varchar(36) NOT NULL,
	`customer_id` varchar(36) NOT NULL,
	`version` int NOT NULL DEFAULT 1,
	`tm_create` datetime(6) NOT NULL,
	`tm_update` datetime(6) NOT NULL,
	`tm_delete` datetime(6) NOT NULL DEFAULT '9999-01-01 00:00:00.000000',
	`username` varchar(255) NOT NULL,
	`username_key` varchar(64) NOT NULL,
	`password_hash` text NOT NULL,
	`name` varchar(255) NOT NULL,
	`detail` varchar(1000) NOT NULL,
	`ring_method` varchar(16) NOT NULL,
	`status` varchar(16) NOT NULL,
	`permissions` json NOT NULL,
	`addresses` json NOT NULL,
	`tm_login` datetime(6),
	CONSTRAINT `agent_agents_id` PRIMARY KEY(`id`),
	CONSTRAINT `agent_agents_username` UNIQUE(`username_key`,`tm_delete`)
);
--> statement-breakpoint
CREATE TABLE `agent_sessions` (
	`id` varchar(36) NOT NULL,
	`customer_id` varchar(36) NOT NULL,
	`version` int NOT NULL DEFAULT 1,
	`tm_create` datetime(6) NOT NULL,
	`tm_update` datetime(6) NOT NULL,
	`tm_delete` datetime(6) NOT NULL DEFAULT '9999-01-01 00:00:00.000000',
	`agent_id` varchar(36) NOT NULL,
	`token_hash` varchar(64) NOT NULL,
	`jti` varchar(64) NOT NULL,
	`permissions` json NOT NULL,
	`source_ip` varchar(45) NOT NULL,
	`user_agent` varchar(512) NOT NULL,
	`tm_activity` datetime(6) NOT NULL,
	`tm_expire` datetime(6) NOT NULL,
	CONSTRAINT `agent_sessions_id` PRIMARY KEY(`id`),
	CONSTRAINT `agent_sessions_hash` UNIQUE(`token_hash`)
);
--> statement-breakpoint
CREATE TABLE `agent_inbox` (
	`message_id` varchar(64) NOT NULL,
	`step` int NOT NULL,
	`result` json,
	`tm_create` datetime(6) NOT NULL,
	CONSTRAINT `agent_inbox_pk` PRIMARY KEY(`message_id`,`step`)
);
--> statement-breakpoint
CREATE TABLE `agent_outbox` (
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
	CONSTRAINT `agent_outbox_id` PRIMARY KEY(`id`)
);
--> statement-breakpoint
CREATE TABLE `agent_sequences` (
	`resource_id` varchar(64) NOT NULL,
	`seq` bigint NOT NULL,
	CONSTRAINT `agent_sequences_resource_id` PRIMARY KEY(`resource_id`)
);
--> statement-breakpoint
CREATE TABLE `agent_timers` (
	`id` varchar(36) NOT NULL,
	`timer_key` varchar(191) NOT NULL,
	`name` varchar(64) NOT NULL,
	`customer_id` varchar(36) NOT NULL,
	`payload` json NOT NULL,
	`caller` json NOT NULL,
	`tm_due` datetime(6) NOT NULL,
	`tm_lease` datetime(6),
	`attempts` int NOT NULL DEFAULT 0,
	CONSTRAINT `agent_timers_id` PRIMARY KEY(`id`),
	CONSTRAINT `agent_timers_key` UNIQUE(`timer_key`)
);
--> statement-breakpoint
CREATE INDEX `agent_agents_list` ON `agent_agents` (`customer_id`,`tm_delete`,`tm_create`,`id`);--> statement-breakpoint
CREATE INDEX `agent_agents_status` ON `agent_agents` (`customer_id`,`tm_delete`,`status`,`tm_create`,`id`);--> statement-breakpoint
CREATE INDEX `agent_sessions_list` ON `agent_sessions` (`customer_id`,`tm_delete`,`tm_create`,`id`);--> statement-breakpoint
CREATE INDEX `agent_sessions_agent` ON `agent_sessions` (`agent_id`,`tm_delete`);--> statement-breakpoint
CREATE INDEX `agent_sessions_end` ON `agent_sessions` (`tm_delete`);--> statement-breakpoint
CREATE INDEX `agent_inbox_age` ON `agent_inbox` (`tm_create`);--> statement-breakpoint
CREATE INDEX `agent_timers_due` ON `agent_timers` (`tm_due`);