// The generator asks for the folder of the global npm while it loads. A Node that came from the registry has none; nothing of it is used.
module.exports = {}
