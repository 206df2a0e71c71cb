// A directory of DIDs and an AT Protocol server on it, with their data in a folder: node run.mjs FOLDER PDS_PORT PLC_PORT
// What the rest of the web would answer, by address, is in FOLDER/web.json.
import { existsSync, readFileSync } from 'node:fs'
import { Database, PlcServer } from '@did-plc/server'
import { PDS, envToCfg, envToSecrets, readEnv } from '@atproto/pds'

const [folder, port, plcPort] = process.argv.slice(2)
const plc = PlcServer.create({ db: Database.mock(), port: Number(plcPort) })
await plc.start()
Object.assign(process.env, {
  LOG_ENABLED: 'false',
  PDS_DEV_MODE: 'true',
  PDS_HOSTNAME: 'localhost',
  PDS_PORT: port,
  PDS_DATA_DIRECTORY: folder,
  PDS_BLOBSTORE_DISK_LOCATION: `${folder}/blobs`,
  PDS_DID_PLC_URL: `http://localhost:${plcPort}`,
  PDS_SERVICE_HANDLE_DOMAINS: '.test',
  PDS_INVITE_REQUIRED: 'false',
  PDS_RATE_LIMITS_ENABLED: process.env.KITH_PDS_LIMITS ?? 'false',
  PDS_JWT_SECRET: 'for tests only',
  PDS_ADMIN_PASSWORD: 'for tests only',
  PDS_PLC_ROTATION_KEY_K256_PRIVATE_KEY_HEX: '1'.repeat(64),
  PDS_DISABLE_SSRF_PROTECTION: 'true',
})
const beyond = globalThis.fetch
globalThis.fetch = async (input, init) => {
  const url = input instanceof Request ? input.url : String(input)
  const web = existsSync(`${folder}/web.json`) ? JSON.parse(readFileSync(`${folder}/web.json`, 'utf8')) : {}
  return url in web ? Response.json(web[url]) : beyond(input, init)
}
const env = readEnv()
const server = await PDS.create(envToCfg(env), envToSecrets(env))
await server.start()
