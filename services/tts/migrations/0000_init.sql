CREATE TABLE `tts_inbox` (
	`message_id` varchar(64) NOT NULL,
	`step` int NOT NULL,
	`result` json,
	`tm_create` datetime(6) NOT NULL,
	CONSTRAINT `tts_inbox_pk` PRIMARY KEY(`message_id`,`step`)
);
--> statement-breakpoint
CREATE TABLE `tts_outbox` (
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
	CONSTRAINT `tts_outbox_id` PRIMARY KEY(`id`)
);
--> statement-breakpoint
CREATE TABLE `tts_sequences` (
	`resource_id` varchar(64) NOT NULL,
	`seq` bigint NOT NULL,
	CONSTRAINT `tts_sequences_resource_id` PRIMARY KEY(`resource_id`)
);
--> statement-breakpoint
CREATE TABLE `tts_speeches` (
	`id` varchar(36) NOT NULL,
	`customer_id` varchar(36) NOT NULL,
	`version` int NOT NULL DEFAULT 1,
	`tm_create` datetime(6) NOT NULL,
	`tm_update` datetime(6) NOT NULL,
	`tm_delete` datetime(6) NOT NULL DEFAULT '9999-01-01 00:00:00.000000',
	`hash` varchar(64) NOT NULL,
	`engine` varchar(16) NOT NULL,
	`voice` varchar(64) NOT NULL,
	`language` varchar(35) NOT NULL,
	`duration_ms` int NOT NULL,
	`file_id` varchar(36),
	`media_uri` text NOT NULL,
	`tm_expire` datetime(6) NOT NULL,
	CONSTRAINT `tts_speeches_id` PRIMARY KEY(`id`),
	CONSTRAINT `tts_speeches_hash` UNIQUE(`customer_id`,`hash`)
);
--> statement-breakpoint
CREATE TABLE `tts_timers` (
	`id` varchar(36) NOT NULL,
	`timer_key` varchar(191) NOT NULL,
	`name` varchar(64) NOT NULL,
	`customer_id` varchar(36) NOT NULL,
	`payload` json NOT NULL,
	`caller` json NOT NULL,
	`tm_due` datetime(6) NOT NULL,
	`tm_lease` datetime(6),
	`attempts` int NOT NULL DEFAULT 0,
	CONSTRAINT `tts_timers_id` PRIMARY KEY(`id`),
	CONSTRAINT `tts_timers_key` UNIQUE(`timer_key`)
);
--> statement-breakpoint
CREATE INDEX `tts_inbox_age` ON `tts_inbox` (`tm_create`);--> statement-breakpoint
CREATE INDEX `tts_speeches_list` ON `tts_speeches` (`customer_id`,`tm_delete`,`tm_create`,`id`);--> statement-breakpoint
CREATE INDEX `tts_speeches_file` ON `tts_speeches` (`file_id`);--> statement-breakpoint
CREATE INDEX `tts_timers_due` ON `tts_timers` (`tm_due`);