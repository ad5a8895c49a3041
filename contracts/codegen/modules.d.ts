// Ships without types.
declare module '@asyncapi/generator' {
  export default class Generator {
    constructor(template: string, target: string, options: object)
    generate(document: unknown): Promise<void>
  }
}
