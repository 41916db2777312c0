import type { Answer, AnswerHead } from './answers/answer.ts'

/** Who goes along with a call to read its answer or to answer in the backend's place; most calls go alone. */
export type Companion = {
  /** The backend answers. `open` leads to the client, and is called once or not at all. */
  answered(head: AnswerHead, open: () => Answer): Answer
  /**
   * The backend has failed, and nothing was sent to the client.
   *
   * @returns whether the client got an answer nevertheless; the call is over then
   */
  rescue(): boolean
  /** The call is over, however it ended; said once. */
  ended(): void
}
