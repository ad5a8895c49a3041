export function Brand() {
  return (
    <span class="brand">
      <svg viewBox="0 0 32 32" width="30" height="30" aria-hidden="true">
        <rect class="brand-tile" width="32" height="32" rx="9" />
        <path class="brand-wave" d="M9 13v6M13.7 9.5v13M18.300 12v8M23 14.200v3.600" />
      </svg>
      <span>VoIPBIN</span>
    </span>
  )
}
