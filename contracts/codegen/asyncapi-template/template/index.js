import { File, Text } from '@asyncapi/generator-react-sdk'

export default function ({ asyncapi, params }) {
  return params.emit(asyncapi).map(({ path, text }) => (
    <File name={path} key={path}>
      <Text newLines={0}>{text}</Text>
    </File>
  ))
}
