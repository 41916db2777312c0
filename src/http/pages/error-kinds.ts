import type { ContentfulStatusCode } from 'hono/utils/http-status'

export type ErrorText = {
  /** What usually goes with it; a caller may know better. */
  status: ContentfulStatusCode
  title: string
  /** What happened, in words that blame nobody who may be innocent. */
  explanation: string
  /** What the reader can do about it. */
  next: string
}

const UNASKED = 'You have not been signed in, and nothing has been sent to the app.'

const RETURN =
  'If you have just been connecting this app, return to it with the link below, which tells it what went wrong. If someone sent you a link that led here, close this page.'

/** Everything that can be told to a person whose request ends here instead of at a client. Nothing in it depends on the request. */
export const ERROR_TEXTS = {
  'unknown-client': {
    status: 400,
    title: 'This app is not registered here',
    explanation:
      'The app that sent you here identified itself in a way that this gateway does not accept, or no longer accepts.',
    next: 'Go back to the app, remove this connection there, and add it again. It will then register anew.',
  },
  'bad-redirect-uri': {
    status: 400,
    title: 'The app asked for an answer at an unknown address',
    explanation:
      'It wants your access sent to an address that it has not registered. Nothing was sent there.',
    next: 'Go back to the app, remove this connection there, and add it again. If someone sent you a link that led here, close this page.',
  },
  'app-request': {
    status: 400,
    title: 'The app made a faulty request',
    explanation: `Something in what it sent along with you is missing, is there twice, or is not as the standard has it. ${UNASKED}`,
    next: RETURN,
  },
  'app-response-type': {
    status: 400,
    title: 'The app asked for its answer in a form that is not used here',
    explanation: `It wants your access in a way that this gateway does not offer. ${UNASKED}`,
    next: RETURN,
  },
  'app-scope': {
    status: 400,
    title: 'The app asked for rights that cannot be understood',
    explanation: `Its list of what it wants to do is not as the standard has it. ${UNASKED}`,
    next: RETURN,
  },
  'app-resource': {
    status: 400,
    title: 'The app asked for a service that is not here',
    explanation: `It did not say which of the services behind this gateway it wants to use, or named one that there is not. ${UNASKED}`,
    next: RETURN,
  },
  'app-unasked': {
    status: 400,
    title: 'The app wanted access without asking you',
    explanation: `Here everybody is asked, each time. ${UNASKED}`,
    next: RETURN,
  },
  'sign-in-expired': {
    status: 400,
    title: 'This sign-in has expired',
    explanation:
      'A sign-in has to be finished within a few minutes and can be used only once. This one is too old, or was finished already.',
    next: 'If the app says that it is connected, all is well. Otherwise go back to it and connect again.',
  },
  'cookie-missing': {
    status: 400,
    title: 'This browser did not start the sign-in',
    explanation:
      'The sign-in began in another browser or a private window, or this browser does not keep cookies for this site.',
    next: 'Allow cookies for this site, go back to the app, and connect again. Stay in one browser until the app says that it is connected.',
  },
  'consent-missing': {
    status: 403,
    title: 'The company has not approved this yet',
    explanation:
      'The company sign-in knows you, but nobody has agreed there that this gateway may act for you.',
    next: 'Ask your administrator to grant consent to it for everybody, and mention the reference below. Then try again.',
  },
  'account-disabled': {
    status: 403,
    title: 'This account is disabled',
    explanation: 'The company sign-in does not let this account in any more.',
    next: 'If you have another account, try again with that one. Otherwise ask your administrator.',
  },
  'conditional-access': {
    status: 403,
    title: 'The company sign-in wants more of you',
    explanation:
      'A rule of your company was not met, such as a second factor, a managed device, or a network that it trusts.',
    next: 'Try again, and do what the company sign-in asks for. If it asks for nothing, or refuses again, give the reference below to your administrator.',
  },
  'wrong-tenant': {
    status: 403,
    title: 'This account belongs to another organization',
    explanation: 'You are signed in, but with an account from outside those that may use this.',
    next: 'Try again and choose your account of this organization. If the same account is taken each time, sign out of it first, or use a private window.',
  },
  'not-assigned': {
    status: 403,
    title: 'Your account has not been assigned to this',
    explanation:
      'The company sign-in knows you, but lets only those in here who have been assigned, and you are not among them.',
    next: 'Ask your administrator to assign you, or a group of yours, and mention the reference below. Then try again.',
  },
  'not-allowed': {
    status: 403,
    title: 'Your account may not use this',
    explanation:
      'You are signed in, but your account is not among those that may use this service.',
    next: 'Ask your administrator for access, and mention the reference below.',
  },
  unavailable: {
    status: 503,
    title: 'This cannot be done right now',
    explanation: 'The gateway cannot reach something that it needs. Nothing is lost.',
    next: 'Wait a minute, then try again.',
  },
  'too-many-requests': {
    status: 429,
    title: 'Too many attempts',
    explanation: 'More requests came from your network than are accepted at once.',
    next: 'Wait a minute, then try again.',
  },
  'server-error': {
    status: 500,
    title: 'Something went wrong here',
    explanation: 'This is a fault of the gateway and not of anything that you did.',
    next: 'Go back to the app and connect again. If it happens again, give the reference below to your administrator.',
  },
  'bad-request': {
    status: 400,
    title: 'This request cannot be understood',
    explanation: 'Something in it is missing, is there twice, or is not as the standard has it.',
    next: 'Go back to the app and connect again. If it happens again, give the reference below to whoever runs the app.',
  },
  'not-found': {
    status: 404,
    title: 'There is nothing here',
    explanation: 'No page has this address.',
    next: 'Check the address for a typing mistake.',
  },
} as const satisfies Record<string, ErrorText>

export type ErrorKind = keyof typeof ERROR_TEXTS
