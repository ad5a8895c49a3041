import { initials } from '../format.ts'
import { Icon } from './icon.tsx'

/** A face for a name: the same name has the same colour everywhere. */
export function Avatar({ name, size = 40, pulse = false }: { name: string; size?: number; pulse?: boolean }) {
  const letters = initials(name)
  return (
    <span
      class={pulse ? 'avatar avatar-pulse' : 'avatar'}
      style={{ '--avatar-size': `${size}px`, '--hue': String(hue(name)) }}
      aria-hidden="true"
    >
      {letters || <Icon name="user" size={size * 0.5} />}
    </span>
  )
}

function hue(text: string): number {
  let hash = 0
  for (const letter of text) hash = (hash * 31 + (letter.codePointAt(0) ?? 0)) % 360
  return hash
}
