/** Somebody who can sign in at the development IdP. */
export type DevUser = {
  subject: string
  name: string
  email: string
  groups: readonly string[]
}

/** Three users that differ in what policies look at: several groups, one group, none. */
export const SAMPLE_USERS: readonly DevUser[] = [
  { subject: 'alice', name: 'Alice', email: 'alice@example.com', groups: ['staff', 'admins'] },
  { subject: 'bob', name: 'Bob', email: 'bob@example.com', groups: ['staff'] },
  { subject: 'carol', name: 'Carol', email: 'carol@example.com', groups: [] },
]
