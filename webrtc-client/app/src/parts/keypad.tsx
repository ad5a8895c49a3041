import { useRef } from 'preact/hooks'
import { settings } from '../store/settings.ts'
import { keyTone } from '../tones.ts'

const letters: Record<string, string> = { 2: 'ABC', 3: 'DEF', 4: 'GHI', 5: 'JKL', 6: 'MNO', 7: 'PQRS', 8: 'TUV', 9: 'WXYZ', 0: '+' }
const names: Record<string, string> = { '*': 'star', '#': 'hash' }
const keys = ['1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '0', '#']
const LONG_PRESS_MS = 500

/** Twelve keys. Holding 0 gives + where numbers are dialled; in a call keys are tones, which whoever sends them lets be heard. */
export function Keypad({ onKey, label, tones = false }: { onKey: (key: string) => void; label: string; tones?: boolean }) {
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined)
  const long = useRef(false)

  const press = (key: string) => {
    if (settings.value.key_tones && key !== '+' && !tones) keyTone(key)
    onKey(key)
  }
  const down = (key: string) => {
    long.current = false
    if (key !== '0' || tones) return
    timer.current = setTimeout(() => {
      long.current = true
      press('+')
    }, LONG_PRESS_MS)
  }
  return (
    <fieldset class="keypad" aria-label={label}>
      {keys.map(key => (
        <button
          key={key}
          type="button"
          class="key"
          data-testid={`key-${key}`}
          aria-label={names[key]}
          onPointerDown={() => down(key)}
          onPointerUp={() => clearTimeout(timer.current)}
          onPointerLeave={() => clearTimeout(timer.current)}
          onContextMenu={event => event.preventDefault()}
          onClick={() => {
            // The click that ends a long press has said what it had to say.
            if (!long.current) press(key)
            long.current = false
          }}
        >
          <span class="key-digit">{key === '*' ? '∗' : key}</span>{' '}
          <span class="key-letters">{tones && key === '0' ? '' : (letters[key] ?? '')}</span>
        </button>
      ))}
    </fieldset>
  )
}
