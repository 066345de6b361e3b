// @platformatic/kafka: a client with a codec of its own that speaks the newest versions. Its
// consumer proper needs groups; fetches and offsets do not.
const assert = require('assert')
const path = require('path')
const { pathToFileURL } = require('url')
const zlib = require('zlib')

const [bootstrap] = process.argv.slice(2)
const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 19)) {
  console.log(`1..0 # SKIP it needs node 20.19, this is ${process.versions.node}`)
  process.exit(0)
}

const ROUNDS = ['none', 'gzip', 'snappy', 'lz4']
if (zlib.zstdCompressSync !== undefined) ROUNDS.push('zstd') // Of node 22.15.
const COUNT = 300
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
    for (const cause of error.errors || []) console.log(`# ${cause}`)
  }
}

async function main () {
  const entry = path.join(process.env.NODE_PATH, '@platformatic', 'kafka', 'dist', 'index.js')
  const kafka = await import(pathToFileURL(entry))
  const common = { clientId: 'platformatic-test', bootstrapBrokers: [bootstrap], retries: 5 }
  const admin = new kafka.Admin(common)
  const consumer = new kafka.Consumer({ ...common, groupId: 'unused', deserializers: kafka.stringDeserializers })

  await check('creates, lists and describes topics', async () => {
    const [topic] = await admin.createTopics({ topics: ['plat'], partitions: 2, replicas: 1, configs: [{ name: 'retention.ms', value: '77777' }] })
    assert.strictEqual(topic.partitions, 2)
    assert((await admin.listTopics()).includes('plat'))
    const metadata = await admin.metadata({ topics: ['plat'] })
    assert.strictEqual(metadata.topics.get('plat').partitions.length, 2)
    await assert.rejects(admin.createTopics({ topics: ['plat'], partitions: 2, replicas: 1 }),
      error => error.findBy('apiId', 'TOPIC_ALREADY_EXISTS') !== null)
  })
  for (const idempotent of [false, true]) {
    await check(`produces with every codec, ${idempotent ? 'idempotent' : 'acks=1'}`, async () => {
      const producer = new kafka.Producer({ ...common, serializers: kafka.stringSerializers, idempotent, acks: idempotent ? -1 : 1 })
      for (const [round, compression] of ROUNDS.entries()) {
        const messages = []
        for (let i = 0; i < COUNT; i++) {
          messages.push({ topic: 'plat', partition: Number(idempotent), key: `k${i}`, value: `${compression} ${i}`, headers: { h: 'x' } })
        }
        const answer = await producer.send({ messages, compression })
        assert.strictEqual(answer.offsets[0].offset, BigInt(round * COUNT))
      }
      await producer.close()
    })
  }
  await check('fetches by topic id what was produced', async () => {
    const metadata = await consumer.metadata({ topics: ['plat'] })
    const topicId = metadata.topics.get('plat').id
    for (const partition of [0, 1]) {
      for (let offset = 0n; offset < BigInt(ROUNDS.length * COUNT);) {
        const answer = await consumer.fetch({
          node: metadata.topics.get('plat').partitions[partition].leader,
          topics: [{
            topicId,
            partitions: [{ partition, currentLeaderEpoch: -1, fetchOffset: offset, lastFetchedEpoch: -1, partitionMaxBytes: 1 << 20 }]
          }]
        })
        const got = answer.responses[0].partitions[0]
        assert.strictEqual(got.highWatermark, BigInt(ROUNDS.length * COUNT))
        for (const batch of got.records) {
          for (const record of batch.records) {
            const compression = ROUNDS[Number(offset) / COUNT | 0]
            assert.strictEqual(batch.firstOffset + BigInt(record.offsetDelta), offset)
            assert.strictEqual(record.value.toString(), `${compression} ${Number(offset) % COUNT}`)
            assert.strictEqual(record.headers[0][0].toString(), 'h')
            offset += 1n
          }
        }
      }
    }
  })
  await check('lists offsets', async () => {
    const end = BigInt(ROUNDS.length * COUNT)
    for (const [timestamp, wanted] of [[-1n, end], [-2n, 0n], [0n, 0n], [BigInt(Date.now() + 3600e3), -1n]]) {
      const [topic] = await admin.listOffsets({ topics: [{ name: 'plat', partitions: [{ partitionIndex: 0, timestamp }] }] })
      assert.strictEqual(topic.partitions[0].offset, wanted)
    }
  })
  await check('deletes records and grows the topic', async () => {
    const [topic] = await admin.deleteRecords({ topics: [{ name: 'plat', partitions: [{ partition: 0, offset: 100n }] }] })
    assert.strictEqual(topic.partitions[0].lowWatermark, 100n)
    await admin.createPartitions({ topics: [{ name: 'plat', count: 4, assignments: null }] })
    const metadata = await admin.metadata({ topics: ['plat'], forceUpdate: true })
    assert.strictEqual(metadata.topics.get('plat').partitions.length, 4)
  })
  await check('describes and alters configs, describes directories', async () => {
    const resource = { resourceType: kafka.ConfigResourceTypes.TOPIC, resourceName: 'plat' }
    const retention = async () => {
      const [seen] = await admin.describeConfigs({ resources: [{ ...resource, configurationKeys: ['retention.ms'] }] })
      return seen.configs[0].value
    }
    assert.strictEqual(await retention(), '77777')
    await admin.incrementalAlterConfigs({ resources: [{ ...resource, configs: [{ name: 'retention.ms', configOperation: 0, value: '88888' }] }] })
    assert.strictEqual(await retention(), '88888')
    const [broker] = await admin.describeLogDirs({ topics: [{ name: 'plat', partitions: [0, 1, 2, 3] }] })
    assert.strictEqual(broker.results[0].topics[0].partitions.length, 4)
  })
  await check('deletes a topic', async () => {
    await admin.deleteTopics({ topics: ['plat'] })
    assert(!(await admin.listTopics()).includes('plat'))
  })
  await consumer.close(true)
  await admin.close()
  console.log(`1..${count}`)
  process.exit(failed ? 1 : 0)
}

main().catch(error => { console.log(`Bail out! ${error.stack}`); process.exit(1) })
