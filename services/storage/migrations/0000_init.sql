CREATE TABLE `storage_files` (
	`id` varchar(36) NOT NULL,
	`customer_id` varchar(36) NOT NULL,
	`version` int NOT NULL DEFAULT 1,
	`tm_create` datetime(6) NOT NULL,
	`tm_update` datetime(6) NOT NULL,
	`tm_delete` datetime(6) NOT NULL DEFAULT '9999-01-01 00:00:00.000000',
	`owner_type` varchar(16) NOT NULL,
	`owner_id` varchar(36) NOT NULL,
	`reference_type` varchar(16) NOT NULL,
	`reference_id` varchar(36),
	`name` varchar(255) NOT NULL,
	`filename` varchar(255) NOT NULL,
	`content_type` varchar(255) NOT NULL,
	`filesize` bigint NOT NULL DEFAULT 0,
	`sha256` varchar(64),
	`status` varchar(16) NOT NULL,
	`object_key` varchar(64) NOT NULL,
	`secret_key` varchar(255) NOT NULL,
	`recording_id` varchar(36),
	CONSTRAINT `storage_files_id` PRIMARY KEY(`id`),
	CONSTRAINT `storage_files_recording` UNIQUE(`recording_id`)
);
--> statement-breakpoint
CREATE TABLE `storage_inbox` (
	`message_id` varchar(64) NOT NULL,
	`step` int NOT NULL,
	`result` json,
	`tm_create` datetime(6) NOT NULL,
	CONSTRAINT `storage_inbox_pk` PRIMARY KEY(`message_id`,`step`)
);
--> statement-breakpoint
CREATE TABLE `storage_outbox` (
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
	CONSTRAINT `storage_outbox_id` PRIMARY KEY(`id`)
);
--> statement-breakpoint
CREATE TABLE `storage_parts` (
	`id` varchar(36) NOT NULL,
	`customer_id` varchar(36) NOT NULL,
	`version` int NOT NULL DEFAULT 1,
	`tm_create` datetime(6) NOT NULL,
	`tm_update` datetime(6) NOT NULL,
	`tm_delete` datetime(6) NOT NULL DEFAULT '9999-01-01 00:00:00.000000',
	`file_id` varchar(36) NOT NULL,
	`position` bigint NOT NULL,
	`size` bigint NOT NULL,
	`object_key` varchar(64) NOT NULL,
	`secret_key` varchar(255) NOT NULL,
	CONSTRAINT `storage_parts_id` PRIMARY KEY(`id`),
	CONSTRAINT `storage_parts_position` UNIQUE(`file_id`,`position`)
);
--> statement-breakpoint
CREATE TABLE `storage_sequences` (
	`resource_id` varchar(64) NOT NULL,
	`seq` bigint NOT NULL,
	CONSTRAINT `storage_sequences_resource_id` PRIMARY KEY(`resource_id`)
);
--> statement-breakpoint
CREATE TABLE `storage_timers` (
	`id` varchar(36) NOT NULL,
	`timer_key` varchar(191) NOT NULL,
	`name` varchar(64) NOT NULL,
	`customer_id` varchar(36) NOT NULL,
	`payload` json NOT NULL,
	`caller` json NOT NULL,
	`tm_due` datetime(6) NOT NULL,
	`tm_lease` datetime(6),
	`attempts` int NOT NULL DEFAULT 0,
	CONSTRAINT `storage_timers_id` PRIMARY KEY(`id`),
	CONSTRAINT `storage_timers_key` UNIQUE(`timer_key`)
);
--> statement-breakpoint
CREATE INDEX `storage_files_list` ON `storage_files` (`customer_id`,`tm_delete`,`tm_create`,`id`);--> statement-breakpoint
CREATE INDEX `storage_files_reference` ON `storage_files` (`customer_id`,`reference_id`);--> statement-breakpoint
CREATE INDEX `storage_inbox_age` ON `storage_inbox` (`tm_create`);--> statement-breakpoint
CREATE INDEX `storage_timers_due` ON `storage_timers` (`tm_due`);