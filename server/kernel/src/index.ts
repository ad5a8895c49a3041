export { AddressGuard, type AddressPolicy, isPublicAddress } from './address-guard.ts'
export { type Audit, type AuditAction, type AuditEntry, type AuditSource, auditActions, audits, listAudits, recordAudit } from './audit.ts'
export { Batch } from './batch.ts'
export { type Bus, type BusOptions, Link, openBus, Session, type SessionOptions } from './bus.ts'
export { type CacheOptions, fillCache, invalidate, noCache, openCache, RedisCache } from './cache.ts'
export { systemCaller } from './caller.ts'
export { endOfTime, fromDbTime, isLive, owned, ownedIndexes, secretText, stamp, toDbTime, utc, utcDelete } from './columns.ts'
export {
  addressSettings,
  ConfigError,
  count,
  flag,
  loadConfig,
  mayFetch,
  mayRequest,
  port,
  type ServiceConfig,
  type SharedConfig,
  serviceConfig,
  sharedConfig,
  text,
} from './config.ts'
export { channelOf, type SeenStore, Subscription, type SubscriptionOptions } from './consumer.ts'
export type {
  Actor,
  Cache,
  Caller,
  Context,
  Db,
  Http,
  HttpAnswer,
  HttpOptions,
  Logger,
  Tx,
} from './context.ts'
export type { CallRow, CallTable, Contract, Err, Event, EventRow, In, MethodRow, Operation, OperationMap, Out } from './contract.ts'
export {
  decrypt,
  decryptText,
  encrypt,
  encryptText,
  installationKeys,
  type KeyRing,
  parseKeyRing,
  randomToken,
  sameText,
  setInstallationKey,
  tokenHash,
} from './crypto.ts'
export { type Database, type DbOptions, openDb, type TransactionOptions } from './db.ts'
export { isDuplicate, isRetryable, isUnavailable, rootCause, UnavailableError } from './db-errors.ts'
export {
  AppError,
  type ErrorBody,
  type ErrorData,
  type ErrorDetail,
  type ErrorTable,
  type GeneralReason,
  generalErrors,
  httpStatus,
  isAppError,
  makeError,
  type Status,
} from './errors.ts'
export { type FaultPoint, fault } from './fault.ts'
export { type Health, type HealthOptions, serveHealth } from './health.ts'
export { type HttpClient, type HttpClientOptions, HttpError, type HttpFailure, openHttp } from './http.ts'
export { isUuid, operatorCustomerId, uuid7 } from './id.ts'
export { type LimitClass, type LimitQuery, type LimitResult, Limits, session_s } from './limits.ts'
export { createLogger, type LogOptions, silentLogger } from './log.ts'
export { type Metrics, metrics, metricsText } from './metrics.ts'
export {
  createDatabase,
  ForeignDatabaseError,
  kernelMigrations,
  type Migrated,
  type MigrateOptions,
  type MigrationSet,
  migrate,
  pendingMigrations,
} from './migrate.ts'
export {
  decryptObject,
  encryptObject,
  newObjectKey,
  type ObjectSource,
  objectChunk,
  openObjectKey,
  plainSize,
  sealedSize,
} from './object-crypto.ts'
export {
  type Columns,
  conditions,
  type Filter,
  type Page,
  type PageInput,
  pageToken,
  parsePageToken,
  selectPage,
  type Where,
} from './page.ts'
export { checkPassword, hashPassword, isOutdated } from './password.ts'
export { EventPublisher, openShardedPublisher, shardCount, shardExchange, shardOf, shardQueue } from './publisher.ts'
export { isSecretName, redact, redacted, redactText } from './redact.ts'
export {
  type NewRow,
  type OwnedTable,
  type OwnerLookup,
  type Patch,
  type Reader,
  type Repo,
  type RepoOptions,
  type Row,
  repo,
  type SystemRepo,
} from './repo.ts'
export { buildMatcher, compileQueue, compileRoute, type Matched, type RoutedInput } from './route-match.ts'
export { insertRows } from './rows.ts'
export { type CallOptions, RpcClient } from './rpc-client.ts'
export { errorBody, ownerRoute, type RpcHeaders, type RpcRequest, type RpcResponse, requestQueue, toAppError } from './rpc-wire.ts'
export { type ClientOptions, createClient, type Running, type ServeOptions, serve } from './serve.ts'
export { type Consumers, defineService, type Handlers, type Job, type Service, type Timers, type Worker } from './service.ts'
export { type SystemTables, systemTables } from './system-tables.ts'
export { isTransient } from './transient.ts'
export { toDetails, type Validator, validate } from './validate.ts'
export { atMost, pause, Wake } from './wake.ts'
export {
  openStates,
  type StateMessage,
  StatePublisher,
  type StateSink,
  StateSubscription,
  type StateSubscriptionOptions,
  topicPrefix,
} from './zmq.ts'
