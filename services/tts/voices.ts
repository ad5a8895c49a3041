import type { Speech } from '@voipbin/generated/schemas'

export interface Voice {
  engine: Speech['engine']
  /** As the engine knows it. */
  voice: string
  /** What is spoken in the end, BCP 47. */
  language: string
}

/** flite: natural, English only. */
const english = new Set(['rms', 'slt', 'awb', 'kal', 'kal16'])
const englishOf: Record<string, string> = { male: 'rms', female: 'slt' }
const defaultEnglish = 'rms'

/** What espeak-ng 1.52 speaks, by its own names in lower case. */
const spoken = new Set(
  `af am an ar as az ba be bg bn bpy bs ca chr cmn cs cv cy da de el eo es es-419 et eu fa fi fo fr-be fr-ch fr ga gd gn grc gu hak haw
  he hi hr ht hu hy hyw ia id io is it ja jbo ka kk kl kn ko kok ku ky la lb lfn lt ltg lv mi mk ml mr ms mt my nb nci ne nl nog om or pa
  pap piqd pl pt pt-br py qdb qu quc qya ro ru sd shn si sjn sk sl smj sq sr sv sw ta te th tk tn tr tt ug uk ur uz vi yue`.split(/\s+/),
)
/** Tags that espeak-ng has under another name. */
const alias: Record<string, string> = {
  zh: 'cmn',
  'zh-hk': 'yue',
  'zh-mo': 'yue',
  no: 'nb',
  nn: 'nb',
  iw: 'he',
  in: 'id',
  'pt-pt': 'pt',
  tl: 'id',
}
/** Spanish of the Americas. */
const latin = /^es-(ar|bo|cl|co|cr|cu|do|ec|gt|hn|mx|ni|pa|pe|pr|py|sv|us|uy|ve)$/
/** Variants of every espeak-ng voice. */
const variant = /^[mf][1-8]$/
const variantOf: Record<string, string> = { male: 'm3', female: 'f2' }

/** Finds who speaks a language (BCP 47, RFC 5646); `undefined` when nobody does. An unknown region falls back to the language. */
export function chooseVoice(language: string, wanted: string | null): Voice | undefined {
  const tag = language.toLowerCase().replaceAll('_', '-')
  const [primary = ''] = tag.split('-')
  const name = wanted?.toLowerCase() ?? ''
  if (primary === 'en') return { engine: 'flite', voice: englishOf[name] ?? (english.has(name) ? name : defaultEnglish), language: 'en-US' }
  const found = [latin.test(tag) ? 'es-419' : '', alias[tag] ?? '', tag, alias[primary] ?? '', primary].find(one => spoken.has(one))
  if (!found) return undefined
  const kind = variantOf[name] ?? (variant.test(name) ? name : undefined)
  return { engine: 'espeak-ng', voice: kind ? `${found}+${kind}` : found, language: found }
}
