// kafkajs: produce, groups, admin.
const { Kafka, CompressionTypes, ConfigResourceTypes, logLevel } = require('kafkajs')
const assert = require('assert')

const [bootstrap] = process.argv.slice(2)
const kafka = new Kafka({ brokers: [bootstrap], clientId: 'kafkajs-test', logLevel: logLevel.NOTHING,
  retry: { retries: 8 } })
let count = 0
let failed = 0

async function check (name, run) {
  count += 1
  try {
    await run()
    console.log(`ok ${count} - ${name}`)
  } catch (error) {
    failed += 1
    console.log(`not ok ${count} - ${name}`)
    String(error.stack || error).split('\n').forEach(line => console.log(`# ${line}`))
  }
}

async function produce (topic, options) {
  const producer = kafka.producer(options.producer || {})
  await producer.connect()
  const messages = []
  for (let i = 0; i < 500; i++) messages.push({ key: `k${i}`, value: `v${i}`, partition: 0, headers: { h: 'x' } })
  const answer = await producer.send({ topic, messages, acks: options.acks, compression: options.compression })
  assert.strictEqual(answer[0].errorCode, 0)
  assert.strictEqual(answer[0].baseOffset, '0')
  await producer.disconnect()
}

// A member of a group; what it has is in has, what was read in read, of all members.
async function subscribe (groupId, topic, read) {
  const consumer = kafka.consumer({ groupId, sessionTimeout: 10000, heartbeatInterval: 300 })
  const member = { consumer, has: 0 }
  consumer.on(consumer.events.GROUP_JOIN, event => {
    member.has = (event.payload.memberAssignment[topic] || []).length
  })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({ autoCommitInterval: 200, eachMessage: async ({ message }) => { read.add(String(message.value)) } })
  return member
}

async function until (what, done) {
  for (const end = Date.now() + 150e3; !await done();) {
    assert(Date.now() < end, `not in 150 s: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}

async function groups (admin) {
  const topic = 'js-group'
  const read = new Set()
  await admin.createTopics({ topics: [{ topic, numPartitions: 4 }] })
  const send = async from => {
    const producer = kafka.producer()
    await producer.connect()
    const messages = [...Array(400).keys()].map(i => ({ value: `${from + i}`, partition: i % 4 }))
    await producer.send({ topic, messages })
    await producer.disconnect()
  }
  await send(0)
  const first = await subscribe('js-readers', topic, read)
  await until('all is read', () => read.size === 400)
  const second = await subscribe('js-readers', topic, read)
  await until('each has half', () => first.has === 2 && second.has === 2)
  await send(400)
  await until('the rest is read', () => read.size === 800)
  const committed = async () => {
    const offsets = await admin.fetchOffsets({ groupId: 'js-readers', topics: [topic] })
    return offsets[0].partitions.every(place => place.offset === '200')
  }
  await until('all is committed', committed)
  await until('two members are stable', async () => {
    const { groups: [group] } = await admin.describeGroups(['js-readers'])
    return group.state === 'Stable' && group.members.length === 2
  })
  await second.consumer.disconnect()
  await until('the other has all', () => first.has === 4)
  await first.consumer.disconnect()
  assert(await committed())
  await admin.resetOffsets({ groupId: 'js-readers', topic, earliest: true })
  assert((await admin.listGroups()).groups.some(group => group.groupId === 'js-readers'))
  await admin.deleteGroups(['js-readers'])
}

async function main () {
  const admin = kafka.admin()
  await admin.connect()
  await check('kafkajs produces, acks=all', () => produce('js-all', { acks: -1 }))
  await check('kafkajs produces, acks=1, gzip', () => produce('js-gzip', { acks: 1, compression: CompressionTypes.GZIP }))
  await check('kafkajs produces idempotently', () => produce('js-idem', { acks: -1, producer: { idempotent: true, maxInFlightRequests: 1 } }))
  await check('kafkajs admin creates, lists and describes topics', async () => {
    assert.strictEqual(await admin.createTopics({ topics: [{ topic: 'js-admin', numPartitions: 3, configEntries: [{ name: 'retention.ms', value: '77777' }] }] }), true)
    assert((await admin.listTopics()).includes('js-admin'))
    const { topics } = await admin.fetchTopicMetadata({ topics: ['js-admin'] })
    assert.strictEqual(topics[0].partitions.length, 3)
  })
  await check('kafkajs admin reads offsets', async () => {
    const offsets = await admin.fetchTopicOffsets('js-all')
    assert.strictEqual(offsets[0].high, '500')
    assert.strictEqual(offsets[0].low, '0')
    const byTime = await admin.fetchTopicOffsetsByTimestamp('js-all', Date.now() - 3600e3)
    assert.strictEqual(byTime[0].offset, '0')
  })
  await check('kafkajs admin grows a topic and deletes records', async () => {
    await admin.createPartitions({ topicPartitions: [{ topic: 'js-admin', count: 5 }] })
    await admin.deleteTopicRecords({ topic: 'js-all', partitions: [{ partition: 0, offset: '100' }] })
    assert.strictEqual((await admin.fetchTopicOffsets('js-all'))[0].low, '100')
  })
  await check('kafkajs admin reads and alters configs', async () => {
    const resource = { type: ConfigResourceTypes.TOPIC, name: 'js-admin' }
    const seen = await admin.describeConfigs({ resources: [resource] })
    const entry = seen.resources[0].configEntries.find(e => e.configName === 'retention.ms')
    assert.strictEqual(entry.configValue, '77777')
    await admin.alterConfigs({ resources: [{ ...resource, configEntries: [{ name: 'retention.ms', value: '88888' }] }] })
    const again = await admin.describeConfigs({ resources: [resource] })
    assert.strictEqual(again.resources[0].configEntries.find(e => e.configName === 'retention.ms').configValue, '88888')
  })
  await check('kafkajs members of a group share and miss nothing', () => groups(admin))
  await check('kafkajs admin describes the cluster and deletes a topic', async () => {
    const cluster = await admin.describeCluster()
    assert.strictEqual(cluster.brokers.length, 1)
    await admin.deleteTopics({ topics: ['js-admin'] })
    for (let i = 0; i < 50 && (await admin.listTopics()).includes('js-admin'); i++) await new Promise(resolve => setTimeout(resolve, 100))
    assert(!(await admin.listTopics()).includes('js-admin'))
  })
  await admin.disconnect()
  console.log(`1..${count}`)
  process.exit(failed ? 1 : 0)
}

main().catch(error => { console.log(`Bail out! ${error}`); process.exit(1) })
