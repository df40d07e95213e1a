// The official TypeScript SDK, and Standard Webhooks of npm. Prints one line of JSON for each check.
//
//     node typescript.mjs <base URL> <file with a delivery>
import { readFileSync } from 'node:fs';
import Parallel from 'parallel-web';
import { Webhook } from 'standardwebhooks';

const [baseURL, file] = process.argv.slice(2);
const client = new Parallel({ apiKey: 'simulated', baseURL, maxRetries: 0 });

async function check(name, work) {
  let failed = null;
  try {
    if (!(await work())) failed = 'not as it should be';
  } catch (error) {
    failed = `${error.constructor.name}: ${error.message}`;
  }
  console.log(JSON.stringify({ name, failed }));
}

async function all(stream) {
  const events = [];
  for await (const event of await stream) events.push(event);
  return events;
}

const schema = { type: 'object', properties: { capital: { type: 'string' } }, required: ['capital'] };
const body = {
  input: { country: 'Nowhere' },
  processor: 'pro',
  metadata: { key: 'value' },
  source_policy: { include_domains: ['docs.example/3'] },
  advanced_settings: { location: 'us', data_sources: { free: ['pubmed'] } },
  mcp_servers: [{ type: 'url', url: 'https://mcp.example', name: 'files', headers: { k: 'v' } }],
  task_spec: { output_schema: { type: 'json', json_schema: schema } },
  webhook: { url: 'https://hook.example', event_types: ['task_run.status'] },
  enable_events: true,
  memory_scope_key: 'scope',
};
const run = await client.taskRun.create(body);
const id = run.run_id;
await check('create', () => run.status === 'queued' && run.metadata.key === 'value');
await check('events', async () => {
  const kinds = (await all(client.taskRun.events(id))).map((event) => event.type);
  return kinds[0] === 'task_run.state' && kinds.includes('task_run.progress_msg.tool_call');
});
await check('result', async () => {
  const { output } = await client.taskRun.result(id);
  return output.type === 'json' && output.content.capital && output.mcp_tool_calls.length === 1;
});
await check('one state after the end', async () => (await all(client.taskRun.events(id))).length === 1);
await check('retrieve', async () => (await client.taskRun.retrieve(id)).status === 'completed');
await check('input', async () => (await client.taskRun.retrieveInput(id)).memory_scope_key === 'scope');
await check('memory', async () => {
  const filed = { memory_scope_key: 'scope' };
  const ids = async () => (await client.beta.memory.retrieve(filed)).results.map((each) => each.id);
  const before = await ids();
  await client.beta.memory.evict({ kind: 'task', id, ...filed });
  const after = await ids();
  await client.beta.memory.clear(filed);
  return before.length === 1 && before[0] === id && after.length === 0;
});
await check('follow-up', async () => {
  const next = { input: 'and then?', processor: 'lite', previous_interaction_id: run.interaction_id };
  const { run_id } = await client.taskRun.create(next);
  return JSON.stringify((await client.taskRun.result(run_id)).output.content).includes('Nowhere');
});
const group = (await client.taskGroup.create({ metadata: { a: 'b' } })).taskgroup_id;
const inputs = ['a', 'b', 'c'].map((input) => ({ input, processor: 'lite' }));
const { run_ids } = await client.taskGroup.addRuns(group, { inputs, default_task_spec: { output_schema: 'a line' } });
await check('group', async () => run_ids.length === 3);
await check('group events', async () => {
  const ended = (await all(client.taskGroup.events(group))).filter((event) => event.run);
  return ended.length === 3;
});
await check('group runs', async () => {
  const listed = await all(client.taskGroup.getRuns(group, { include_output: true, include_input: true }));
  const rest = await all(client.taskGroup.getRuns(group, { last_event_id: listed[0].event_id }));
  return listed.every((event) => event.output.type === 'text') && rest.length === 2;
});
await check('group status', async () => (await client.taskGroup.retrieve(group)).status.num_task_runs === 3);
await check('a run of a group', async () => {
  const one = await client.taskGroup.retrieveRun(run_ids[0], { taskgroup_id: group });
  return one.taskgroup_id === group;
});

const malformed = [
  {}, { input: 'q' }, { input: 5, processor: 'lite' }, { input: 'q', processor: 'none' },
  { ...body, mcp_servers: 'files' }, { ...body, webhook: { url: 5 } }, { ...body, metadata: [] },
  { ...body, task_spec: { output_schema: { type: 'json', json_schema: { properties: [] } } } },
];
for (const [i, each] of malformed.entries()) {
  const refused = (error) => error instanceof Parallel.UnprocessableEntityError;
  await check(`malformed run ${i}`, () => client.taskRun.create(each).then(() => false, refused));
  await check(`malformed run of a group ${i}`, () =>
    client.taskGroup.addRuns(group, { inputs: [inputs[0], each] }).then(() => false, refused));
}
await check('an unknown run', () =>
  client.taskRun.retrieve('trun_x').then(() => false, (error) => error instanceof Parallel.NotFoundError));

const { secret, body: sent, headers } = JSON.parse(readFileSync(file, 'utf8'));
const webhook = new Webhook(secret);
await check('webhook', () => webhook.verify(sent, headers).data.status === 'completed');
await check('webhook, changed', () => {
  try {
    webhook.verify(sent.replace('completed', 'failed'), headers);
    return false;
  } catch (error) {
    return error.message === 'No matching signature found';
  }
});
const moment = new Date(Number(headers['webhook-timestamp']) * 1000);
console.log(JSON.stringify({ signature: webhook.sign('msg_from_npm', moment, sent) }));
