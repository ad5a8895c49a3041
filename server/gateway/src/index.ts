export { type GatewayConfig, readConfig } from './config.ts'
export { type GatewayParts, type RunningGateway, startGateway } from './gateway.ts'
export * as schema from './schema.ts'
