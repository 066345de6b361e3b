import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.TransactionDescription;
import org.apache.kafka.clients.admin.TransactionState;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InvalidProducerEpochException;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.common.utils.Exit;
import org.apache.kafka.tools.TransactionsCommand;

/** Kafka's own producer with transaction.version 2 (KIP-890), and kafka-transactions: all in one
 * process. Transactions BOOTSTRAP. */
public final class Transactions {
    private static final long WAIT_MS = 90_000; // For whatever has to come about.
    private static final int PARTITIONS = 3;
    private static String bootstrap;
    private static Admin admin;
    private static int count;
    private static int failed;

    private interface Check {
        void run() throws Exception;
    }

    private static void check(String name, Check body) {
        count++;
        try {
            body.run();
            System.out.println("ok " + count + " - " + name);
        } catch (Throwable fault) {
            failed++;
            System.out.println("not ok " + count + " - " + name);
            ByteArrayOutputStream text = new ByteArrayOutputStream();
            fault.printStackTrace(new PrintStream(text));
            System.out.println("# " + text.toString().replace("\n", "\n# "));
        }
    }

    private static void equal(Object got, Object want) {
        if (!got.equals(want)) {
            throw new AssertionError("got " + got + ", not " + want);
        }
    }

    private static void until(String what, Callable<Boolean> good) throws Exception {
        long end = System.currentTimeMillis() + WAIT_MS;
        while (!good.call()) {
            if (System.currentTimeMillis() > end) {
                throw new AssertionError("never came about: " + what);
            }
            Thread.sleep(20);
        }
    }

    private static void create(String topic) throws Exception {
        admin.createTopics(Set.of(new NewTopic(topic, PARTITIONS, (short) 1))).all().get();
    }

    private static KafkaProducer<String, String> producer(String id) {
        Properties set = new Properties();
        set.put("bootstrap.servers", bootstrap);
        set.put("transactional.id", id);
        set.put("linger.ms", "2");
        KafkaProducer<String, String> made =
            new KafkaProducer<>(set, new StringSerializer(), new StringSerializer());
        made.initTransactions();
        return made;
    }

    /** Round the partitions; flushed by the end of the transaction only. */
    private static void put(KafkaProducer<String, String> to, String topic, String name, int many) {
        for (int i = 0; i < many; i++) {
            to.send(new ProducerRecord<>(topic, i % PARTITIONS, null, name + i));
        }
    }

    private static List<String> read(String topic, String level) {
        Properties set = new Properties();
        set.put("bootstrap.servers", bootstrap);
        set.put("isolation.level", level);
        List<String> got = new ArrayList<>();
        try (KafkaConsumer<String, String> from =
                 new KafkaConsumer<>(set, new StringDeserializer(), new StringDeserializer())) {
            List<TopicPartition> places = new ArrayList<>();
            for (int i = 0; i < PARTITIONS; i++) {
                places.add(new TopicPartition(topic, i));
            }
            from.assign(places);
            from.seekToBeginning(places);
            Map<TopicPartition, Long> ends = from.endOffsets(places);
            long until = System.currentTimeMillis() + WAIT_MS;
            while (places.stream().anyMatch(place -> from.position(place) < ends.get(place))) {
                if (System.currentTimeMillis() > until) {
                    throw new AssertionError("the end was not reached: " + got.size());
                }
                for (ConsumerRecord<String, String> record : from.poll(Duration.ofMillis(200))) {
                    got.add(record.value());
                }
            }
        }
        return got;
    }

    private static TransactionDescription state(String id) throws Exception {
        return admin.describeTransactions(List.of(id)).description(id).get();
    }

    private static void ended(String id, TransactionState want) throws Exception {
        until(id + " is " + want, () -> state(id).state() == want);
    }

    private static final class Ended extends RuntimeException {
        final int status;

        Ended(int status) {
            this.status = status;
        }
    }

    /** kafka-transactions with these words; what it prints. */
    private static String tool(String... words) throws Exception {
        List<String> all = new ArrayList<>(List.of("--bootstrap-server", bootstrap));
        all.addAll(List.of(words));
        ByteArrayOutputStream text = new ByteArrayOutputStream();
        PrintStream before = System.out;
        Exit.setExitProcedure((status, message) -> {
            throw new Ended(status);
        });
        System.setOut(new PrintStream(text));
        int status = 0;
        try {
            TransactionsCommand.main(all.toArray(new String[0]));
        } catch (Ended end) {
            status = end.status;
        } finally {
            System.setOut(before);
        }
        String said = text.toString(StandardCharsets.UTF_8);
        if (status != 0) {
            throw new AssertionError(String.join(" ", words) + " ended " + status + ": " + said);
        }
        return said;
    }

    private static void has(String text, String... wanted) {
        for (String want : wanted) {
            if (!text.contains(want)) {
                throw new AssertionError("no " + want + " in: " + text);
            }
        }
    }

    private static void everyEndRaisesTheEpoch() throws Exception {
        create("j-ends");
        try (KafkaProducer<String, String> to = producer("j-ends")) {
            final int first = state("j-ends").producerEpoch();
            for (int round = 1; round <= 6; round++) {
                boolean commits = round % 3 != 0;
                to.beginTransaction();
                put(to, "j-ends", (commits ? "c" : "a") + round + "-", 30);
                if (commits) {
                    to.commitTransaction();
                } else {
                    to.flush();
                    to.abortTransaction();
                }
                ended("j-ends", commits ? TransactionState.COMPLETE_COMMIT
                                        : TransactionState.COMPLETE_ABORT);
                equal(state("j-ends").producerEpoch(), first + round);
            }
        }
        List<String> seen = read("j-ends", "read_committed");
        equal(seen.size(), 120);
        equal(seen.stream().filter(name -> name.startsWith("a")).count(), 0L);
        equal(read("j-ends", "read_uncommitted").size(), 180);
    }

    private static void partitionsJoinByBeingWrittenTo() throws Exception {
        create("j-joins");
        try (KafkaProducer<String, String> to = producer("j-joins")) {
            to.beginTransaction();
            to.send(new ProducerRecord<>("j-joins", 1, null, "one"));
            to.flush();
            equal(state("j-joins").state(), TransactionState.ONGOING);
            equal(state("j-joins").topicPartitions(), Set.of(new TopicPartition("j-joins", 1)));
            to.send(new ProducerRecord<>("j-joins", 2, null, "two"));
            to.flush();
            equal(state("j-joins").topicPartitions().size(), 2);
            equal(read("j-joins", "read_committed").size(), 0);
            to.commitTransaction();
        }
        until("both are there", () -> read("j-joins", "read_committed").size() == 2);
    }

    /** What the next one asks for while the last one's markers are written has to wait. */
    private static void manyInARowWaitForNoBackoff() throws Exception {
        create("j-row");
        long begin = System.nanoTime();
        try (KafkaProducer<String, String> to = producer("j-row")) {
            for (int round = 0; round < 200; round++) {
                to.beginTransaction();
                put(to, "j-row", round + "-", 10);
                to.commitTransaction();
            }
        }
        System.out.printf("# 200 transactions in %.2f s%n", (System.nanoTime() - begin) / 1e9);
        until("all are there", () -> read("j-row", "read_committed").size() == 2000);
    }

    @SuppressWarnings("removal") // A group that is known by its name alone.
    private static void offsetsGoWithTheTransaction() throws Exception {
        create("j-offsets");
        TopicPartition place = new TopicPartition("j-offsets", 0);
        ConsumerGroupMetadata group = new ConsumerGroupMetadata("j-group");
        try (KafkaProducer<String, String> to = producer("j-offsets")) {
            long expected = 0;
            for (int round = 1; round <= 6; round++) {
                boolean commits = round % 2 == 1;
                to.beginTransaction();
                to.sendOffsetsToTransaction(Map.of(place, new OffsetAndMetadata(round)), group);
                put(to, "j-offsets", "r" + round + "-", 3);
                if (commits) {
                    to.commitTransaction();
                    expected = round;
                } else {
                    to.abortTransaction();
                }
                final long want = expected;
                until("offset " + want, () -> {
                    OffsetAndMetadata got = admin.listConsumerGroupOffsets("j-group")
                        .partitionsToOffsetAndMetadata().get().get(place);
                    return got != null && got.offset() == want;
                });
            }
        }
        equal(read("j-offsets", "read_committed").size(), 9);
    }

    private static void whoeverCameBeforeIsFenced() throws Exception {
        create("j-fence");
        try (KafkaProducer<String, String> old = producer("j-fence")) {
            old.beginTransaction();
            put(old, "j-fence", "zombie", 3);
            old.flush();
            try (KafkaProducer<String, String> fresh = producer("j-fence")) {
                try {
                    put(old, "j-fence", "zombie", 3);
                    old.commitTransaction();
                    throw new AssertionError("it was not fenced");
                } catch (ProducerFencedException | InvalidProducerEpochException expected) {
                    // As it should.
                } catch (KafkaException wrapped) {
                    if (!(wrapped.getCause() instanceof ProducerFencedException)
                        && !(wrapped.getCause() instanceof InvalidProducerEpochException)) {
                        throw wrapped;
                    }
                }
                fresh.beginTransaction();
                put(fresh, "j-fence", "new", 3);
                fresh.commitTransaction();
            }
        }
        until("only the new one's", () -> {
            List<String> seen = read("j-fence", "read_committed");
            return seen.size() == 3 && seen.stream().allMatch(name -> name.startsWith("new"));
        });
    }

    private static void theToolTellsTransactions() throws Exception {
        create("j-tool");
        try (KafkaProducer<String, String> to = producer("j-tool-1")) {
            to.beginTransaction();
            to.send(new ProducerRecord<>("j-tool", 0, null, "open"));
            to.flush();
            long id = state("j-tool-1").producerId();
            has(tool("describe", "--transactional-id", "j-tool-1"), "Ongoing", "j-tool-0",
                String.valueOf(id));
            has(tool("list"), "j-tool-1", "j-ends");
            String some = tool("list", "--transactional-id-pattern", "j-t.*");
            has(some, "j-tool-1");
            equal(some.contains("j-ends"), false);
            equal(tool("list", "--transactional-id-pattern", "j-t").contains("j-tool-1"), false);
            equal(tool("list", "--duration-filter", "600000").contains("j-tool-1"), false);
            has(tool("describe-producers", "--topic", "j-tool", "--partition", "0"),
                String.valueOf(id));
            equal(tool("find-hanging", "--topic", "j-tool", "--partition", "0",
                       "--max-transaction-timeout", "0").contains(String.valueOf(id)), false);
            to.abortTransaction();
        }
        try {
            admin.listTransactions(new org.apache.kafka.clients.admin.ListTransactionsOptions()
                .filterOnTransactionalIdPattern("(")).all().get();
            throw new AssertionError("a pattern that is none was taken");
        } catch (ExecutionException refused) {
            has(String.valueOf(refused.getCause()), "InvalidRegularExpression");
        }
    }

    /** Its coordinator forgets it: then only an operator can end it. */
    private static void whatHangsIsAborted() throws Exception {
        create("j-hangs");
        KafkaProducer<String, String> to = producer("j-hangs");
        to.beginTransaction();
        to.send(new ProducerRecord<>("j-hangs", 0, null, "hangs"));
        to.flush();
        admin.deleteTopics(Set.of("__transaction_state")).all().get();
        try (KafkaProducer<String, String> other = producer("j-other")) {
            other.beginTransaction();
            other.send(new ProducerRecord<>("j-hangs", 0, null, "behind"));
            other.commitTransaction();
        }
        equal(read("j-hangs", "read_committed").size(), 0);
        String found = tool("find-hanging", "--topic", "j-hangs", "--partition", "0",
                            "--max-transaction-timeout", "0");
        has(found, "j-hangs");
        tool("abort", "--topic", "j-hangs", "--partition", "0", "--start-offset", "0");
        // An end is told before its markers are written.
        until("what is behind it is there",
              () -> read("j-hangs", "read_committed").equals(List.of("behind")));
        to.close(Duration.ZERO);
    }

    public static void main(String[] args) throws Exception {
        bootstrap = args[0];
        Properties set = new Properties();
        set.put("bootstrap.servers", bootstrap);
        admin = Admin.create(set);
        equal(admin.describeFeatures().featureMetadata().get().finalizedFeatures()
                  .get("transaction.version").maxVersionLevel(), (short) 2);
        check("every end raises the epoch", Transactions::everyEndRaisesTheEpoch);
        check("partitions join by being written to", Transactions::partitionsJoinByBeingWrittenTo);
        check("many in a row", Transactions::manyInARowWaitForNoBackoff);
        check("offsets go with the transaction", Transactions::offsetsGoWithTheTransaction);
        check("whoever came before is fenced", Transactions::whoeverCameBeforeIsFenced);
        check("the tool tells transactions", Transactions::theToolTellsTransactions);
        check("what hangs is aborted", Transactions::whatHangsIsAborted);
        admin.close();
        System.out.println("1.." + count);
        System.exit(failed == 0 ? 0 : 1);
    }
}
