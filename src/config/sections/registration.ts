import { z } from 'zod'
import { flag, secret } from '../fields.ts'
import { hosts } from './hosts.ts'

export const registration = z
  .strictObject({
    enabled: flag()
      .prefault(true)
      .describe('Whether clients may register themselves. Those that already did stay known.'),
    initialAccessToken: secret()
      .exactOptional()
      .describe('What a client must present to register, as `Authorization: Bearer`.'),
    redirectHosts: hosts()
      .exactOptional()
      .describe(
        'Web hosts to which such clients may have codes sent; `*.example.com` is every host below. Default: any. To those named here, browsers are also sent with an error, without a page that says so first.',
      ),
    loopback: flag()
      .prefault(true)
      .describe('Whether they may be programs on the user’s computer, such as command-line tools.'),
    appSchemes: flag()
      .prefault(true)
      .describe('Whether they may be apps with a URI scheme of their own, such as `cursor:`.'),
  })
  .prefault({})
  .describe('Clients that register themselves (RFC 7591). Nothing is stored for them.')

export const clientDocuments = z
  .strictObject({
    enabled: flag()
      .prefault(true)
      .describe('Whether clients may identify themselves by the URL of a document.'),
    allow: hosts()
      .exactOptional()
      .describe('Hosts of such documents; `*.example.com` is every host below. Default: any.'),
    deny: hosts().prefault([]).describe('Hosts whose documents are refused, even if allowed.'),
  })
  .prefault({})
  .describe(
    'Clients that publish a metadata document, whose https URL is their `client_id`. It is fetched from public addresses only.',
  )
