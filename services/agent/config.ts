import { serviceConfig, text } from '@voipbin/kernel'

/** The operator's first super admin, made when no agent has the user name yet. Without a name nobody is made. */
export const config = serviceConfig({
  SUPER_ADMIN_USERNAME: text(/^[^\s\p{C}]{3,255}$/u, 'must have 3 to 255 characters and no blanks').optional(),
  SUPER_ADMIN_PASSWORD: text(/^.{8,128}$/, 'must have 8 to 128 characters').optional(),
})
