import { Icon, type IconName } from './icon.tsx'

export function IconButton({ icon, label, onClick, testid }: { icon: IconName; label: string; onClick: () => void; testid?: string }) {
  return (
    <button type="button" class="icon-button" aria-label={label} title={label} data-testid={testid} onClick={onClick}>
      <Icon name={icon} />
    </button>
  )
}
