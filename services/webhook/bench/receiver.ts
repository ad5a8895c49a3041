// A web server in a process of its own that answers 204 and counts: POST /… counts, GET /count tells how many there were for each path.
import { createServer } from 'node:http'

const counts = new Map<string, number>()
const server = createServer((request, response) => {
  const path = request.url ?? ''
  request.resume().on('end', () => {
    if (path === '/count') return void response.end(JSON.stringify(Object.fromEntries(counts)))
    counts.set(path, (counts.get(path) ?? 0) + 1)
    response.writeHead(204).end()
  })
})
process.on('disconnect', () => process.exit())
server.keepAliveTimeout = 60_000
server.listen(0, '127.0.0.1', () => process.send?.(server.address()))
