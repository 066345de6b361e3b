// Kafka Streams' own smoke test, as its test jar brings it: aggregations, windows, suppression and
// joins over repartition topics, exactly once, while members come and go; its driver sends the data
// and judges what comes out. StreamsSmoke BOOTSTRAP
import java.io.PrintStream;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.CompletableFuture;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.tests.SmokeTestClient;
import org.apache.kafka.streams.tests.SmokeTestDriver;

public class StreamsSmoke {
    static final int PARTITIONS = 5;
    static final int KEYS = 5;
    static final int RECORDS_OF_A_KEY = 300;
    static final Duration SENDING = Duration.ofSeconds(5); // Members change meanwhile.
    static final int MEMBERS = 5; // One after the other, three at a time.
    static final int MEMBERS_AT_ONCE = 3;

    static void createTopics(String bootstrap) throws Exception {
        List<NewTopic> topics = new ArrayList<>();
        for (String name : SmokeTestDriver.topics()) {
            topics.add(new NewTopic(name, PARTITIONS, (short) 1));
        }
        try (Admin admin = Admin.create(Map.<String, Object>of("bootstrap.servers", bootstrap))) {
            admin.createTopics(topics).all().get();
        }
    }

    static SmokeTestClient start(String bootstrap, int number) {
        Properties settings = new Properties();
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap);
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, "smoke");
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        settings.put(ConsumerConfig.SESSION_TIMEOUT_MS_CONFIG, "10000");
        SmokeTestClient client = new SmokeTestClient("member-" + number);
        client.start(settings);
        return client;
    }

    static void stop(SmokeTestClient client) throws InterruptedException {
        client.closeAsync();
        while (!client.closed()) {
            if (client.error()) {
                throw new IllegalStateException("a member failed");
            }
            Thread.sleep(50);
        }
    }

    // What the driver found wrong, or nothing.
    static String run(String bootstrap) throws Exception {
        createTopics(bootstrap);
        CompletableFuture<SmokeTestDriver.VerificationResult> driver =
            CompletableFuture.supplyAsync(() -> {
                Map<String, Set<Integer>> sent =
                    SmokeTestDriver.generate(bootstrap, KEYS, RECORDS_OF_A_KEY, SENDING);
                return SmokeTestDriver.verify(bootstrap, sent, RECORDS_OF_A_KEY, true);
            });
        List<SmokeTestClient> running = new ArrayList<>();
        for (int i = 0; i < MEMBERS; i++) {
            running.add(start(bootstrap, i));
            if (running.size() >= MEMBERS_AT_ONCE) {
                stop(running.remove(0));
            }
        }
        SmokeTestDriver.VerificationResult result = driver.get();
        for (SmokeTestClient client : running) {
            stop(client);
        }
        return result.passed() ? "" : result.result();
    }

    public static void main(String[] arguments) {
        PrintStream report = System.out;
        System.setOut(System.err); // Members and driver tell much.
        String wrong;
        try {
            wrong = run(arguments[0]);
        } catch (Throwable fault) {
            fault.printStackTrace();
            wrong = fault.toString();
        }
        report.println((wrong.isEmpty() ? "ok" : "not ok")
            + " 1 - every aggregation, window and join is exactly right while members come and go");
        wrong.lines().forEach(line -> report.println("# " + line));
        report.println("1..1");
        report.flush();
        System.exit(wrong.isEmpty() ? 0 : 1);
    }
}
