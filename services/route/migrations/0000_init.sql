CREATE TABLE `route_provider_addresses` (
	`provider_id` varchar(36) NOT NULL,
	`ip_addr` varchar(45) NOT NULL,
	`mask` tinyint unsigned NOT NULL,
	`port` smallint unsigned NOT NULL DEFAULT 0,
	CONSTRAINT `route_provider_addresses_pk` PRIMARY KEY(`provider_id`,`ip_addr`,`mask`)
);
--> statement-breakpoint
CREATE TABLE `route_providers` (
	`id` varchar(36) NOT NULL,
	`customer_id` varchar(36) NOT NULL,
	`version` int NOT NULL DEFAULT 1,
	`tm_create` datetime(6) NOT NULL,
	`tm_update` datetime(6) NOT NULL,
	`tm_delete` datetime(6) NOT NULL DEFAULT '9999-01-01 00:00:00.000000',
	`type` varchar(8) NOT NULL,
	`name` varchar(255) NOT NULL,
	`detail` varchar(1000) NOT NULL,
	`status` varchar(16) NOT NULL,
	`hostname` varchar(255) NOT NULL,
	`port` int NOT NULL,
	`transport` varchar(8) NOT NULL,
	`tech_prefix` varchar(32) NOT NULL,
	`tech_postfix` varchar(32) NOT NULL,
	`tech_headers` json NOT NULL,
	`codecs` json NOT NULL,
	`allowed_ips` json NOT NULL,
	CONSTRAINT `route_providers_id` PRIMARY KEY(`id`)
);
--> statement-breakpoint
CREATE TABLE `route_routes` (
	`id` varchar(36) NOT NULL,
	`customer_id` varchar(36) NOT NULL,
	`version` int NOT NULL DEFAULT 1,
	`tm_create` datetime(6) NOT NULL,
	`tm_update` datetime(6) NOT NULL,
	`tm_delete` datetime(6) NOT NULL DEFAULT '9999-01-01 00:00:00.000000',
	`scope` varchar(16) NOT NULL,
	`name` varchar(255) NOT NULL,
	`detail` varchar(1000) NOT NULL,
	`provider_id` varchar(36) NOT NULL,
	`priority` int NOT NULL,
	`target` varchar(16) NOT NULL,
	CONSTRAINT `route_routes_id` PRIMARY KEY(`id`),
	CONSTRAINT `route_routes_same` UNIQUE(`customer_id`,`scope`,`target`,`provider_id`,`tm_delete`)
);
--> statement-breakpoint
CREATE TABLE `route_inbox` (
	`message_id` varchar(64) NOT NULL,
	`step` int NOT NULL,
	`result` json,
	`tm_create` datetime(6) NOT NULL,
	CONSTRAINT `route_inbox_pk` PRIMARY KEY(`message_id`,`step`)
);
--> statement-breakpoint
CREATE TABLE `route_outbox` (
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
	CONSTRAINT `route_outbox_id` PRIMARY KEY(`id`)
);
--> statement-breakpoint
CREATE TABLE `route_sequences` (
	`resource_id` varchar(64) NOT NULL,
	`seq` bigint NOT NULL,
	CONSTRAINT `route_sequences_resource_id` PRIMARY KEY(`resource_id`)
);
--> statement-breakpoint
CREATE TABLE `route_timers` (
	`id` varchar(36) NOT NULL,
	`timer_key` varchar(191) NOT NULL,
	`name` varchar(64) NOT NULL,
	`customer_id` varchar(36) NOT NULL,
	`payload` json NOT NULL,
	`caller` json NOT NULL,
	`tm_due` datetime(6) NOT NULL,
	`tm_lease` datetime(6),
	`attempts` int NOT NULL DEFAULT 0,
	CONSTRAINT `route_timers_id` PRIMARY KEY(`id`),
	CONSTRAINT `route_timers_key` UNIQUE(`timer_key`)
);
--> statement-breakpoint
CREATE INDEX `route_providers_list` ON `route_providers` (`customer_id`,`tm_delete`,`tm_create`,`id`);--> statement-breakpoint
CREATE INDEX `route_routes_list` ON `route_routes` (`customer_id`,`tm_delete`,`tm_create`,`id`);--> statement-breakpoint
CREATE INDEX `route_routes_provider` ON `route_routes` (`provider_id`);--> statement-breakpoint
CREATE INDEX `route_routes_target` ON `route_routes` (`target`);--> statement-breakpoint
CREATE INDEX `route_inbox_age` ON `route_inbox` (`tm_create`);--> statement-breakpoint
CREATE INDEX `route_timers_due` ON `route_timers` (`tm_due`);