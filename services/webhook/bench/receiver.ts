// A web server in a process of its own that answers 204 and counts. Any message to it is answered with the count for each path.
import { createServer } from 'node:http'

const counts: Record<string, number> = {}
const server = createServer((request, response) => {
  const path = request.url ?? ''
  request.resume().on('end', () => {
    counts[path] = (counts[path] ?? 0) + 1
    response.writeHead(204).end()
  })
})
server.keepAliveTimeout = 60_000
server.listen(0, '127.0.0.1', () => process.send?.(server.address()))
process.on('message', () => process.send?.(counts))
process.on('disconnect', () => process.exit())
