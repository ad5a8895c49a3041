import { addressSettings, serviceConfig } from '@voipbin/kernel'

export const config = serviceConfig(addressSettings)
