interface SparklineProps {
  values: (number | null)[]
  min: number
  max: number
  /** Slots on the time axis, so that a short history does not stretch. */
  slots?: number
  label: string
}

/** A small line of the last readings, newest at the right. Gaps stay gaps. */
export function Sparkline({ values, min, max, slots = 60, label }: SparklineProps) {
  const width = 240
  const height = 40
  const x = (index: number) => width - (values.length - 1 - index) * (width / (slots - 1))
  const y = (value: number) => height - 3 - ((Math.min(max, Math.max(min, value)) - min) / (max - min)) * (height - 6)
  let path = ''
  let open = false
  values.forEach((value, index) => {
    if (value !== null) path += `${open ? 'L' : 'M'}${x(index).toFixed(1)} ${y(value).toFixed(1)}`
    open = value !== null
  })
  const first = values.findIndex(value => value !== null)
  const last = values.findLastIndex(value => value !== null)
  return (
    <svg class="sparkline" viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" role="img" aria-label={label}>
      {first >= 0 && values.length > 1 && (
        <path class="sparkline-area" d={`${path}L${x(last).toFixed(1)} ${height}L${x(first).toFixed(1)} ${height}Z`} />
      )}
      <path class="sparkline-line" d={path} />
    </svg>
  )
}
