export { type Audit, audits, listAudits, recordAudit } from './audit.ts'
export { Batch } from './batch.ts'
export { type Bus, openBus, Session } from './bus.ts'
export { fillCache, invalidate, noCache, openCache, RedisCache } from './cache.ts'
export { systemCaller } from './caller.ts'
export { isLive, owned, ownedIndexes, secretText, stamp, utc } from './columns.ts'
export {
  addressSettings,
  ConfigError,
  count,
  domainName,
  loadConfig,
  mayFetch,
  mayRequest,
  port,
  serviceConfig,
  sharedConfig,
  text,
} from './config.ts'
export type { Actor, Cache, Caller, Context, Db, HttpAnswer, Logger, Tx } from './context.ts'
export type { CallTable, Contract, Event, EventRow, In, MethodRow, Out } from './contract.ts'
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
export { type Database, openDb } from './db.ts'
export { isDuplicate, isUnavailable, UnavailableError } from './db-errors.ts'
export { AppError, type ErrorBody, type ErrorData, type ErrorDetail, type GeneralReason, httpStatus, isAppError } from './errors.ts'
export type { FaultPoint } from './fault.ts'
export { serveHealth } from './health.ts'
export { HttpError, openHttp } from './http.ts'
export { isUuid, operatorCustomerId, uuid7 } from './id.ts'
export { type LimitClass, type LimitQuery, type LimitResult, Limits, session_s } from './limits.ts'
export { createLogger, silentLogger } from './log.ts'
export { metrics, metricsText } from './metrics.ts'
export { ForeignDatabaseError, kernelMigrations, type MigrationSet, migrate } from './migrate.ts'
export { decryptObject, encryptObject, newObjectKey, objectChunk, openObjectKey, plainSize, sealedSize } from './object-crypto.ts'
export { type Columns, conditions, invalidPageToken, type PageInput, pageToken, parsePageToken, selectPage, type Where } from './page.ts'
export { checkPassword, hashPassword, isOutdated } from './password.ts'
export { EventPublisher, openShardedPublisher, shardCount, shardExchange, shardOf, shardQueue } from './publisher.ts'
export { type Patch, repo } from './repo.ts'
export { insertRows } from './rows.ts'
export { type CallOptions, RpcClient } from './rpc-client.ts'
export { requestQueue } from './rpc-wire.ts'
export { createClient, type Running, serve } from './serve.ts'
export { type Consumers, defineService, type Handlers, type Service, type Timers } from './service.ts'
export { systemTables } from './system-tables.ts'
export { isTransient } from './transient.ts'
export { toDetails, type Validator } from './validate.ts'
export { atMost, pause, Wake } from './wake.ts'
export { openStates, type StateMessage, StatePublisher, StateSubscription } from './zmq.ts'
