CREATE TABLE `registrar_contacts` (
	`ruid` varchar(64) COLLATE utf8mb4_bin NOT NULL,
	`extension_id` varchar(36),
	CONSTRAINT `registrar_contacts_ruid` PRIMARY KEY(`ruid`)
);
--> statement-breakpoint
CREATE TABLE `registrar_extensions` (
	`id` varchar(36) NOT NULL,
	`customer_id` varchar(36) NOT NULL,
	`version` int NOT NULL DEFAULT 1,
	`tm_create` datetime(6) NOT NULL,
	`tm_update` datetime(6) NOT NULL,
	`tm_delete` datetime(6) NOT NULL DEFAULT '9999-01-01 00:00:00.000000',
	`extension` varchar(64) COLLATE utf8mb4_bin NOT NULL,
	`domain` varchar(255) NOT NULL,
	`ha1` varchar(32) NOT NULL,
	`name` varchar(255) NOT NULL,
	`detail` varchar(1000) NOT NULL,
	CONSTRAINT `registrar_extensions_id` PRIMARY KEY(`id`),
	CONSTRAINT `registrar_extensions_name` UNIQUE(`customer_id`,`extension`,`tm_delete`)
);
--> statement-breakpoint
CREATE TABLE `registrar_inbox` (
	`message_id` varchar(64) NOT NULL,
	`step` int NOT NULL,
	`result` json,
	`tm_create` datetime(6) NOT NULL,
	CONSTRAINT `registrar_inbox_pk` PRIMARY KEY(`message_id`,`step`)
);
--> statement-breakpoint
CREATE TABLE `registrar_outbox` (
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
	CONSTRAINT `registrar_outbox_id` PRIMARY KEY(`id`)
);
--> statement-breakpoint
CREATE TABLE `registrar_sequences` (
	`resource_id` varchar(64) NOT NULL,
	`seq` bigint NOT NULL,
	CONSTRAINT `registrar_sequences_resource_id` PRIMARY KEY(`resource_id`)
);
--> statement-breakpoint
CREATE TABLE `registrar_timers` (
	`id` varchar(36) NOT NULL,
	`timer_key` varchar(191) NOT NULL,
	`name` varchar(64) NOT NULL,
	`customer_id` varchar(36) NOT NULL,
	`payload` json NOT NULL,
	`caller` json NOT NULL,
	`tm_due` datetime(6) NOT NULL,
	`tm_lease` datetime(6),
	`attempts` int NOT NULL DEFAULT 0,
	CONSTRAINT `registrar_timers_id` PRIMARY KEY(`id`),
	CONSTRAINT `registrar_timers_key` UNIQUE(`timer_key`)
);
--> statement-breakpoint
CREATE INDEX `registrar_contacts_extension` ON `registrar_contacts` (`extension_id`);--> statement-breakpoint
CREATE INDEX `registrar_extensions_list` ON `registrar_extensions` (`customer_id`,`tm_delete`,`tm_create`,`id`);--> statement-breakpoint
CREATE INDEX `registrar_extensions_subscriber` ON `registrar_extensions` (`extension`,`domain`);--> statement-breakpoint
CREATE INDEX `registrar_inbox_age` ON `registrar_inbox` (`tm_create`);--> statement-breakpoint
CREATE INDEX `registrar_timers_due` ON `registrar_timers` (`tm_due`);