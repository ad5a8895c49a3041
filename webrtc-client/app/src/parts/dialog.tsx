import type { ComponentChildren } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { Incoming } from '../views/incoming.tsx'
import { Icon } from './icon.tsx'

/** A modal dialog of the browser: focus stays inside, Escape closes, focus returns to where it was. */
export function Dialog({ title, onClose, children }: { title: string; onClose: () => void; children: ComponentChildren }) {
  const element = useRef<HTMLDialogElement>(null)
  useEffect(() => {
    // Not in the types yet: a click beside the dialog closes it, too.
    element.current?.setAttribute('closedby', 'any')
    element.current?.showModal()
  }, [])
  return (
    <dialog ref={element} aria-labelledby="dialog-title" onClose={onClose}>
      <div class="dialog-body">
        <header class="dialog-head">
          <h2 id="dialog-title">{title}</h2>
          <button type="button" class="icon-button" aria-label="Close" onClick={() => element.current?.close()}>
            <Icon name="close" />
          </button>
        </header>
        {children}
      </div>
      <Incoming />
    </dialog>
  )
}
