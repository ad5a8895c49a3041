CREATE TABLE `kernel_audits` (
	`id` varchar(36) NOT NULL,
	`customer_id` varchar(36) NOT NULL,
	`actor_type` varchar(16) NOT NULL,
	`actor_id` varchar(64) NOT NULL,
	`action` varchar(16) NOT NULL,
	`resource_type` varchar(64) NOT NULL,
	`resource_id` varchar(64) NOT NULL,
	`old` json,
	`new` json,
	`address` varchar(64),
	`user_agent` varchar(512),
	`request_id` varchar(64) NOT NULL,
	`tm_create` datetime(6) NOT NULL,
	CONSTRAINT `kernel_audits_id` PRIMARY KEY(`id`)
);
--> statement-breakpoint
CREATE INDEX `kernel_audits_list` ON `kernel_audits` (`customer_id`,`tm_create`,`id`);--> statement-breakpoint
CREATE INDEX `kernel_audits_resource` ON `kernel_audits` (`resource_type`,`resource_id`,`tm_create`);--> statement-breakpoint
CREATE INDEX `kernel_audits_age` ON `kernel_audits` (`tm_create`);