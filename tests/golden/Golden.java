import java.io.PrintWriter;
import java.lang.reflect.Field;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

import com.fasterxml.jackson.databind.JsonNode;

import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.common.message.ResponseHeaderData;
import org.apache.kafka.common.metadata.MetadataRecordType;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.ObjectSerializationCache;
import org.apache.kafka.common.protocol.types.BoundField;
import org.apache.kafka.common.protocol.types.Schema;
import org.apache.kafka.common.protocol.types.TaggedFields;
import org.apache.kafka.common.record.BaseRecords;
import org.apache.kafka.common.record.MemoryRecords;
import org.apache.kafka.common.requests.RequestHeader;
import org.apache.kafka.metadata.MetadataRecordSerde;
import org.apache.kafka.server.common.ApiMessageAndVersion;

/**
 * Kafka's own classes as the other side of the golden test: Golden OURS OURS_READ MADE TABLES.
 *
 * OURS has lines "name version seed hex json"; OURS_READ gets the same as Kafka reads and writes
 * it again; MADE gets messages of the same names and versions that Kafka fills and writes; TABLES
 * what Kafka says of APIs, errors, headers and record frames.
 */
public final class Golden {
    private static final int SEEDS = 6;

    public static void main(String[] args) throws Exception {
        Map<String, Boolean> seen = new LinkedHashMap<>();
        try (PrintWriter out = new PrintWriter(args[1], StandardCharsets.UTF_8)) {
            for (String line : Files.readAllLines(Path.of(args[0]))) {
                String[] words = line.split(" ", 5);
                short version = Short.parseShort(words[1]);
                Message message = newMessage(words[0]);
                ByteBuffer bytes = ByteBuffer.wrap(HexFormat.of().parseHex(words[3].replace("-", "")));
                String note = "";
                try {
                    message.read(new ByteBufferAccessor(bytes), version);
                    note = bytes.hasRemaining() ? "bytes left" : "";
                    out.println(describe(words[0], version, words[2], message) + note);
                } catch (RuntimeException e) {
                    out.println(words[0] + " " + version + " " + words[2] + " " + e);
                }
                seen.put(words[0] + " " + version, true);
            }
        }
        try (PrintWriter out = new PrintWriter(args[2], StandardCharsets.UTF_8)) {
            for (String key : seen.keySet()) {
                String name = key.split(" ")[0];
                short version = Short.parseShort(key.split(" ")[1]);
                for (int seed = 0; seed < SEEDS; seed++) {
                    Message message = newMessage(name);
                    if (seed > 0) { /* The first one is as the constructor leaves it. */
                        Random random = new Random((key + seed).hashCode());
                        fill(message, schema(message.getClass(), version), random);
                    }
                    out.println(describe(name, version, "" + seed, message));
                }
            }
        }
        try (PrintWriter out = new PrintWriter(args[3], StandardCharsets.UTF_8)) {
            tables(out, seen);
        }
    }

    private static Class<?> messageClass(String name) throws ClassNotFoundException {
        if (name.equals("KraftVersionRecord")) {
            name = "KRaftVersionRecord";
        }
        String suffix = name.endsWith("Request") || name.endsWith("Response") ? "Data" : "";
        for (String place : new String[] {"common.message", "common.metadata",
            "coordinator.group.generated", "coordinator.transaction.generated"}) {
            try {
                return Class.forName("org.apache.kafka." + place + "." + name + suffix);
            } catch (ClassNotFoundException e) {
                continue;
            }
        }
        throw new ClassNotFoundException(name);
    }

    private static Message newMessage(String name) throws Exception {
        return (Message) messageClass(name).getConstructor().newInstance();
    }

    private static String hex(Message message, short version) {
        ObjectSerializationCache cache = new ObjectSerializationCache();
        ByteBuffer buffer = ByteBuffer.allocate(message.size(cache, version));
        message.write(new ByteBufferAccessor(buffer), cache, version);
        return hex(buffer.flip());
    }

    private static String hex(ByteBuffer buffer) {
        byte[] bytes = new byte[buffer.remaining()];
        buffer.get(bytes);
        return HexFormat.of().formatHex(bytes);
    }

    private static String describe(String name, short version, String seed, Message message)
        throws Exception {
        Class<?> type = message.getClass();
        JsonNode json = (JsonNode) Class.forName(type.getName() + "JsonConverter")
            .getMethod("write", type, short.class, boolean.class)
            .invoke(null, message, version, false);
        String bytes = hex(message, version);
        return name + " " + version + " " + seed + " " + (bytes.isEmpty() ? "-" : bytes) + " " +
            json;
    }

    /* What follows fills by reflection whatever the schema of the version has. */

    private static Schema schema(Class<?> type, short version) throws Exception {
        Schema[] schemas = (Schema[]) type.getField("SCHEMAS").get(null);
        return schemas[version];
    }

    private static void fill(Object message, Schema schema, Random random) throws Exception {
        for (BoundField field : schema.fields()) {
            if (field.def.type instanceof TaggedFields) {
                for (var tagged : ((TaggedFields) field.def.type).fields().values()) {
                    if (random.nextInt(3) > 0) {
                        fillField(message, tagged.name, tagged.type, random);
                    }
                }
            } else {
                fillField(message, field.def.name, field.def.type, random);
            }
        }
    }

    private static Field javaField(Object message, String name) {
        String want = name.replace("_", "");
        for (Field field : message.getClass().getDeclaredFields()) {
            if (field.getName().equalsIgnoreCase(want)) {
                field.setAccessible(true);
                return field;
            }
        }
        throw new IllegalStateException("no field " + name + " in " + message.getClass());
    }

    private static void fillField(Object message, String name,
                                  org.apache.kafka.common.protocol.types.Type type, Random random)
        throws Exception {
        Field field = javaField(message, name);
        /* The schema does not tell of a single struct that it may be null; its default does. */
        boolean nullable = type.isNullable() ||
            (type instanceof Schema && field.get(message) == null);
        if (nullable && random.nextInt(3) == 0) {
            field.set(message, null);
        } else if (type.isArray()) {
            field.set(message, collection(field, type.arrayElementType().get(), random));
        } else if (type instanceof Schema) {
            Object value = field.getType().getConstructor().newInstance();
            fill(value, (Schema) type, random);
            field.set(message, value);
        } else {
            field.set(message, value(field.getType(), type.toString(), random));
        }
    }

    @SuppressWarnings({"unchecked", "rawtypes"})
    private static Object collection(Field field,
                                     org.apache.kafka.common.protocol.types.Type element,
                                     Random random) throws Exception {
        Collection items;
        Type itemType;
        if (field.getType() == List.class) {
            items = new ArrayList();
            itemType = ((ParameterizedType) field.getGenericType()).getActualTypeArguments()[0];
        } else {
            items = (Collection) field.getType().getConstructor().newInstance();
            itemType = ((ParameterizedType) field.getType().getGenericSuperclass())
                .getActualTypeArguments()[0];
        }
        int count = random.nextInt(20) == 0 ? 130 : random.nextInt(4);
        for (int i = 0; i < count; i++) {
            if (element instanceof Schema) {
                Object item = ((Class<?>) itemType).getConstructor().newInstance();
                fill(item, (Schema) element, random);
                items.add(item);
            } else {
                items.add(value((Class<?>) itemType, element.toString(), random));
            }
        }
        return items;
    }

    private static long number(Random random, int bits) {
        switch (random.nextInt(5)) {
            case 0: return 0;
            case 1: return -1L >>> (65 - bits);
            case 2: return -1L << (bits - 1);
            default: return random.nextLong() >> (64 - bits);
        }
    }

    private static Object value(Class<?> type, String kafkaType, Random random) {
        if (type == boolean.class) {
            return random.nextBoolean();
        } else if (type == byte.class || type == Byte.class) {
            return (byte) number(random, 8);
        } else if (type == short.class || type == Short.class) {
            return (short) number(random, 16);
        } else if (kafkaType.equals("UINT16")) {
            return (int) number(random, 16) & 0xffff;
        } else if (type == int.class || type == Integer.class) {
            return (int) number(random, 32);
        } else if (type == long.class || type == Long.class) {
            return number(random, 64);
        } else if (type == String.class) {
            return text(random);
        } else if (type == Uuid.class) {
            return random.nextInt(4) == 0 ? Uuid.ZERO_UUID
                : new Uuid(random.nextLong(), random.nextLong());
        } else if (type == BaseRecords.class || type == byte[].class || type == ByteBuffer.class) {
            byte[] bytes = new byte[random.nextInt(200)];
            random.nextBytes(bytes);
            return type == byte[].class ? bytes
                : type == ByteBuffer.class ? ByteBuffer.wrap(bytes)
                : MemoryRecords.readableRecords(ByteBuffer.wrap(bytes));
        }
        throw new IllegalStateException("no value for " + type);
    }

    private static String text(Random random) {
        int length = random.nextInt(16) == 0 ? 100 + random.nextInt(200) : random.nextInt(10);
        StringBuilder text = new StringBuilder();
        while (text.length() < length) {
            int point = random.nextInt(8) == 0 ? 0xa1 + random.nextInt(0x3000)
                : ' ' + random.nextInt(95);
            text.appendCodePoint(point);
        }
        return text.toString();
    }

    private static void tables(PrintWriter out, Map<String, Boolean> seen) throws Exception {
        for (ApiKeys api : ApiKeys.values()) {
            if (!seen.containsKey(api.name + "Request " + api.latestVersion(false))) {
                continue;
            }
            short oldest = api.oldestVersion();
            short latest = api.latestVersion(false);
            int flexible = 32767;
            for (short v = latest; v >= oldest; v--) {
                flexible = api.requestHeaderVersion(v) >= 2 ? v : flexible;
            }
            out.printf("api %d %s %d %d %d %d%n", api.id, api.name, oldest, latest,
                api == ApiKeys.PRODUCE ? ApiKeys.PRODUCE_API_VERSIONS_RESPONSE_MIN_VERSION : oldest,
                flexible);
            for (short v = oldest; v <= latest; v++) {
                RequestHeader request = new RequestHeader(api, v, "client \u00e9", 1234567);
                out.printf("request_header %d %d %s%n", api.id, v,
                    hex(request.data(), request.headerVersion()));
                out.printf("response_header %d %d %s%n", api.id, v,
                    hex(new ResponseHeaderData().setCorrelationId(-7),
                        api.responseHeaderVersion(v)));
            }
        }
        for (Errors error : Errors.values()) {
            out.printf("error %d %s %s%n", error.code(), error.name(),
                error.exception() instanceof RetriableException);
        }
        for (MetadataRecordType type : MetadataRecordType.values()) {
            for (short v = type.lowestSupportedVersion(); v <= type.highestSupportedVersion(); v++) {
                ApiMessage record = type.newMetadataRecord();
                if (!seen.containsKey(record.getClass().getSimpleName() + " " + v)) {
                    continue;
                }
                ApiMessageAndVersion versioned = new ApiMessageAndVersion(record, v);
                ObjectSerializationCache cache = new ObjectSerializationCache();
                MetadataRecordSerde serde = new MetadataRecordSerde();
                ByteBuffer buffer = ByteBuffer.allocate(serde.recordSize(versioned, cache));
                serde.write(versioned, cache, new ByteBufferAccessor(buffer));
                out.printf("frame %d %s %d %s%n", type.id(), record.getClass().getSimpleName(), v,
                    hex(buffer.flip()));
            }
        }
    }
}
