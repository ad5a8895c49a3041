import { Api } from '../api.ts'

/** The app's one client of the platform, from the moment its configuration is known. */
export let api: Api

export function openApi(options: ConstructorParameters<typeof Api>[0]): void {
  api = new Api(options)
}
