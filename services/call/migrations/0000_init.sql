CREATE TABLE `call_actions` (
	`id` varchar(36) NOT NULL,
	`customer_id` varchar(36) NOT NULL,
	`version` int NOT NULL DEFAULT 1,
	`tm_create` datetime(6) NOT NULL,
	`tm_update` datetime(6) NOT NULL,
	`tm_delete` datetime(6) NOT NULL DEFAULT '9999-01-01 00:00:00.000000',
	`call_id` varchar(36) NOT NULL,
	`activeflow_id` varchar(36) NOT NULL,
	`action` json NOT NULL,
	`status` varchar(16) NOT NULL,
	`result` json,
	CONSTRAINT `call_actions_id` PRIMARY KEY(`id`)
);
--> statement-breakpoint
CREATE TABLE `call_asterisks` (
	`id` varchar(64) NOT NULL,
	`boot_id` varchar(64) NOT NULL,
	`connected` boolean NOT NULL,
	`tm_update` datetime(6) NOT NULL,
	CONSTRAINT `call_asterisks_id` PRIMARY KEY(`id`)
);
--> statement-breakpoint
CREATE TABLE `call_calls` (
	`id` varchar(36) NOT NULL,
	`customer_id` varchar(36) NOT NULL,
	`version` int NOT NULL DEFAULT 1,
	`tm_create` datetime(6) NOT NULL,
	`tm_update` datetime(6) NOT NULL,
	`tm_delete` datetime(6) NOT NULL DEFAULT '9999-01-01 00:00:00.000000',
	`owner_type` varchar(16) NOT NULL,
	`owner_id` varchar(36) NOT NULL,
	`type` varchar(16) NOT NULL,
	`direction` varchar(16) NOT NULL,
	`status` varchar(16) NOT NULL,
	`flow_id` varchar(36),
	`activeflow_id` varchar(36),
	`groupcall_id` varchar(36),
	`master_call_id` varchar(36),
	`chained_call_ids` json NOT NULL,
	`source` json NOT NULL,
	`destination` json NOT NULL,
	`source_target` varchar(255) NOT NULL,
	`destination_target` varchar(255) NOT NULL,
	`hold` boolean NOT NULL DEFAULT false,
	`mute_direction` varchar(8),
	`recording_id` varchar(36),
	`recording_ids` json NOT NULL,
	`dial_timeout` int NOT NULL,
	`max_duration` int NOT NULL,
	`duration` int,
	`hangup_by` varchar(8),
	`hangup_cause` varchar(32),
	`hangup_sip_code` int,
	`asterisk_id` varchar(64),
	`channel_id` varchar(64),
	`bridge_id` varchar(64),
	`sip_call_id` varchar(255),
	`provider_id` varchar(36),
	`dialroutes` json NOT NULL,
	`dialroute_index` int NOT NULL DEFAULT 0,
	`dial_uri` varchar(512) NOT NULL DEFAULT '',
	`hops` int NOT NULL DEFAULT 0,
	`digits` varchar(64) NOT NULL DEFAULT '',
	`tm_ringing` datetime(6),
	`tm_answer` datetime(6),
	`tm_hangup` datetime(6),
	CONSTRAINT `call_calls_id` PRIMARY KEY(`id`),
	CONSTRAINT `call_calls_channel` UNIQUE(`channel_id`)
);
--> statement-breakpoint
CREATE TABLE `call_groupcalls` (
	`id` varchar(36) NOT NULL,
	`customer_id` varchar(36) NOT NULL,
	`version` int NOT NULL DEFAULT 1,
	`tm_create` datetime(6) NOT NULL,
	`tm_update` datetime(6) NOT NULL,
	`tm_delete` datetime(6) NOT NULL DEFAULT '9999-01-01 00:00:00.000000',
	`owner_type` varchar(16) NOT NULL,
	`owner_id` varchar(36) NOT NULL,
	`status` varchar(16) NOT NULL,
	`ring_method` varchar(16) NOT NULL,
	`source` json NOT NULL,
	`destination` json,
	`master_call_id` varchar(36),
	`answer_call_id` varchar(36),
	`call_ids` json NOT NULL,
	`pending` json NOT NULL,
	`dial_timeout` int NOT NULL,
	`relay_reason` boolean NOT NULL DEFAULT false,
	`plan` json,
	`action_run_id` varchar(36),
	CONSTRAINT `call_groupcalls_id` PRIMARY KEY(`id`)
);
--> statement-breakpoint
CREATE TABLE `call_recordings` (
	`id` varchar(36) NOT NULL,
	`customer_id` varchar(36) NOT NULL,
	`version` int NOT NULL DEFAULT 1,
	`tm_create` datetime(6) NOT NULL,
	`tm_update` datetime(6) NOT NULL,
	`tm_delete` datetime(6) NOT NULL DEFAULT '9999-01-01 00:00:00.000000',
	`owner_type` varchar(16) NOT NULL,
	`owner_id` varchar(36) NOT NULL,
	`reference_type` varchar(16) NOT NULL,
	`reference_id` varchar(36) NOT NULL,
	`call_id` varchar(36),
	`activeflow_id` varchar(36),
	`status` varchar(16) NOT NULL,
	`format` varchar(8) NOT NULL,
	`duration` int,
	`filesize` int,
	`file_id` varchar(36),
	`asterisk_id` varchar(64),
	`recording_name` varchar(128) NOT NULL,
	`end_of_key` varchar(4) NOT NULL DEFAULT 'none',
	`tm_start` datetime(6),
	`tm_end` datetime(6),
	CONSTRAINT `call_recordings_id` PRIMARY KEY(`id`)
);
--> statement-breakpoint
CREATE TABLE `call_inbox` (
	`message_id` varchar(64) NOT NULL,
	`step` int NOT NULL,
	`result` json,
	`tm_create` datetime(6) NOT NULL,
	CONSTRAINT `call_inbox_pk` PRIMARY KEY(`message_id`,`step`)
);
--> statement-breakpoint
CREATE TABLE `call_outbox` (
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
	CONSTRAINT `call_outbox_id` PRIMARY KEY(`id`)
);
--> statement-breakpoint
CREATE TABLE `call_sequences` (
	`resource_id` varchar(64) NOT NULL,
	`seq` bigint NOT NULL,
	CONSTRAINT `call_sequences_resource_id` PRIMARY KEY(`resource_id`)
);
--> statement-breakpoint
CREATE TABLE `call_timers` (
	`id` varchar(36) NOT NULL,
	`timer_key` varchar(191) NOT NULL,
	`name` varchar(64) NOT NULL,
	`customer_id` varchar(36) NOT NULL,
	`payload` json NOT NULL,
	`caller` json NOT NULL,
	`tm_due` datetime(6) NOT NULL,
	`tm_lease` datetime(6),
	`attempts` int NOT NULL DEFAULT 0,
	CONSTRAINT `call_timers_id` PRIMARY KEY(`id`),
	CONSTRAINT `call_timers_key` UNIQUE(`timer_key`)
);
--> statement-breakpoint
CREATE INDEX `call_actions_list` ON `call_actions` (`customer_id`,`tm_delete`,`tm_create`,`id`);--> statement-breakpoint
CREATE INDEX `call_actions_call` ON `call_actions` (`call_id`,`status`);--> statement-breakpoint
CREATE INDEX `call_calls_list` ON `call_calls` (`customer_id`,`tm_delete`,`tm_create`,`id`);--> statement-breakpoint
CREATE INDEX `call_calls_source` ON `call_calls` (`customer_id`,`source_target`);--> statement-breakpoint
CREATE INDEX `call_calls_destination` ON `call_calls` (`customer_id`,`destination_target`);--> statement-breakpoint
CREATE INDEX `call_calls_activeflow` ON `call_calls` (`activeflow_id`);--> statement-breakpoint
CREATE INDEX `call_calls_groupcall` ON `call_calls` (`groupcall_id`);--> statement-breakpoint
CREATE INDEX `call_calls_master` ON `call_calls` (`master_call_id`);--> statement-breakpoint
CREATE INDEX `call_calls_asterisk` ON `call_calls` (`asterisk_id`,`status`);--> statement-breakpoint
CREATE INDEX `call_groupcalls_list` ON `call_groupcalls` (`customer_id`,`tm_delete`,`tm_create`,`id`);--> statement-breakpoint
CREATE INDEX `call_groupcalls_master` ON `call_groupcalls` (`master_call_id`);--> statement-breakpoint
CREATE INDEX `call_groupcalls_action` ON `call_groupcalls` (`action_run_id`);--> statement-breakpoint
CREATE INDEX `call_recordings_list` ON `call_recordings` (`customer_id`,`tm_delete`,`tm_create`,`id`);--> statement-breakpoint
CREATE INDEX `call_recordings_name` ON `call_recordings` (`recording_name`);--> statement-breakpoint
CREATE INDEX `call_recordings_file` ON `call_recordings` (`file_id`);--> statement-breakpoint
CREATE INDEX `call_inbox_age` ON `call_inbox` (`tm_create`);--> statement-breakpoint
CREATE INDEX `call_timers_due` ON `call_timers` (`tm_due`);