/** `useChat` of the AI SDK 6, which the tests call like that of the AI SDK 7. */
declare module 'ai-sdk-react-6' {
  export const useChat: typeof import('@ai-sdk/react').useChat
}
