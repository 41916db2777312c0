import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type BoundProcess, startBound } from './process.ts'

/** Starts nginx in the foreground with one worker and the given server blocks. */
export async function startNginx(
  folder: string,
  cpu: string,
  port: number,
  blocks: string,
): Promise<BoundProcess> {
  const home = join(folder, `nginx-${port}`)
  await mkdir(home, { recursive: true })
  const file = join(home, 'nginx.conf')
  await writeFile(file, render(home, blocks))
  // A single process: its processor time is that of the whole.
  return startBound(cpu, port, 'nginx', ['-c', file, '-p', home])
}

function render(home: string, blocks: string): string {
  return `
daemon off;
master_process off;
pid ${home}/nginx.pid;
error_log stderr crit;
events { worker_connections 8192; }
http {
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 75s;
  client_body_temp_path ${home}/body;
  proxy_temp_path ${home}/proxy;
  fastcgi_temp_path ${home}/fastcgi;
  uwsgi_temp_path ${home}/uwsgi;
  scgi_temp_path ${home}/scgi;
  default_type application/json;
  ${blocks}
}
`
}
