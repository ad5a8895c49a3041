import './styles/tokens.css'
import './styles/base.css'
import './styles/controls.css'
import './styles/dialog.css'
import './styles/shell.css'
import './styles/dial.css'
import './styles/in-call.css'
import './styles/incoming.css'
import './styles/lists.css'
import './styles/compact.css'
import './styles/forced-colors.css'
import './styles/motion.css'
import { render } from 'preact'
import './store/attention.ts'
import { listenForKeys } from './keys.ts'
import { boot, stage } from './store/session.ts'
import { Shell } from './views/shell.tsx'
import { SignIn } from './views/sign-in.tsx'

function App() {
  if (stage.value === 'loading') return null
  return stage.value === 'signed_in' ? <Shell /> : <SignIn />
}

const root = document.getElementById('app')
if (root) render(<App />, root)
listenForKeys()
void boot()
