CREATE TABLE `gateway_idempotency` (
	`customer_id` varchar(36) NOT NULL,
	`operation` varchar(64) NOT NULL,
	`key_hash` varchar(64) NOT NULL,
	`request_hash` varchar(64) NOT NULL,
	`message_id` varchar(36) NOT NULL,
	`status` smallint,
	`answer` mediumtext,
	`instance` varchar(64) NOT NULL,
	`tm_lease` datetime(6) NOT NULL,
	`tm_expire` datetime(6) NOT NULL,
	CONSTRAINT `gateway_idempotency_pk` PRIMARY KEY(`customer_id`,`operation`,`key_hash`)
);
--> statement-breakpoint
CREATE INDEX `gateway_idempotency_expire` ON `gateway_idempotency` (`tm_expire`);