// Many VerifiableConsumers in one JVM. A line of standard input begins one, "start MEMBER TOPIC
// KEY=VALUE ...", or ends it, "close MEMBER"; what each says is a line "MEMBER JSON".
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;

import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.tools.VerifiableConsumer;

public class Consumers {
    static class Named extends PrintStream {
        final String name;

        Named(String name) {
            super(OutputStream.nullOutputStream());
            this.name = name;
        }

        @Override
        public void println(String text) {
            synchronized (System.out) {
                System.out.println(name + " " + text);
                System.out.flush();
            }
        }
    }

    static VerifiableConsumer make(String[] words) {
        Properties settings = new Properties();
        settings.put("client.id", words[1]);
        settings.put("auto.offset.reset", "earliest");
        settings.put("enable.auto.commit", "false");
        for (int i = 3; i < words.length; i++) {
            String[] pair = words[i].split("=", 2);
            settings.put(pair[0], pair[1]);
        }
        StringDeserializer text = new StringDeserializer();
        return new VerifiableConsumer(new KafkaConsumer<>(settings, text, text), new Named(words[1]),
            words[2], -1, false, false, false);
    }

    public static void main(String[] unused) throws Exception {
        Map<String, VerifiableConsumer> members = new HashMap<>();
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            String[] words = line.split(" ");
            if (words[0].equals("start")) {
                VerifiableConsumer member = make(words);
                members.put(words[1], member);
                new Thread(member::run, words[1]).start();
            } else {
                VerifiableConsumer member = members.remove(words[1]);
                new Thread(member::close).start();
            }
        }
        Runtime.getRuntime().halt(0);
    }
}
