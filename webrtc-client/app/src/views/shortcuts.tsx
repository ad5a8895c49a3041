import { Dialog } from '../parts/dialog.tsx'
import { settings } from '../store/settings.ts'
import { dialog } from '../store/ui.ts'

export const shortcuts: { keys: string; what: string }[] = [
  { keys: '/', what: 'Go to the dial field' },
  { keys: 'Enter', what: 'Call the number in the dial field' },
  { keys: 'A', what: 'Answer' },
  { keys: 'D', what: 'Decline' },
  { keys: 'M', what: 'Mute or unmute' },
  { keys: 'H', what: 'Hold or resume' },
  { keys: '0–9 * #', what: 'Dial, or send a tone in a call' },
  { keys: 'X', what: 'Hang up' },
  { keys: 'P', what: 'Pause the event list' },
  { keys: ',', what: 'Settings' },
  { keys: '?', what: 'This list' },
]

export function ShortcutsDialog() {
  return (
    <Dialog title="Keyboard shortcuts" onClose={() => (dialog.value = null)}>
      <dl class="shortcuts">
        {shortcuts.map(({ keys, what }) => (
          <div key={keys}>
            <dt>
              <kbd>{keys}</kbd>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <p class="muted">
        {settings.value.shortcuts
          ? 'They rest while you type in a field, and can be turned off in the settings.'
          : 'They are turned off in the settings.'}
      </p>
    </Dialog>
  )
}
