"""The schema in memory: parsing and checking. The language is described in gen.py."""

import os
import re

SCALARS = {
    'bool': 'bool', 'i8': 'int8_t', 'i16': 'int16_t', 'u16': 'uint16_t', 'i32': 'int32_t',
    'i64': 'int64_t', 'uuid': 'struct uuid',
}
TEXTS = ('string', 'bytes', 'records')
ARRAY_ITEMS = ('i8', 'i16', 'i32', 'i64', 'uuid', 'string')
VERSION_END = 32767


class SchemaError(Exception):
    pass


class Field:
    def __init__(self, name):
        self.name = name
        self.type = None      # A name of SCALARS or TEXTS, or 'struct'.
        self.struct = None
        self.is_array = False
        self.versions = None  # (first, last), within the enclosing struct's.
        self.nulls = None     # The same, or None.
        self.tag = None
        self.max = None
        self.each = None
        self.default = None
        self.ignorable = False
        self.stream = False


class Struct:
    def __init__(self, message, name, versions):
        self.message = message
        self.name = name
        self.c_name = message.c_name + ('_' + name if name else '')
        self.versions = versions
        self.fields = []

    def widen(self, versions):
        """A second use is in other versions too: what was wherever the struct is, still is."""
        old, self.versions = self.versions, versions
        for field in self.fields:
            if field.nulls == old:
                field.nulls = versions
            if field.versions == old:
                field.versions = versions
                if field.struct and field.struct.versions == old:
                    field.struct.widen(versions)

    def plain(self):
        return [f for f in self.fields if f.tag is None]

    def tagged(self):
        return sorted((f for f in self.fields if f.tag is not None), key=lambda f: f.tag)

    def stream(self):
        return next((f for f in self.fields if f.stream), None)


class Message:
    """A request, a response or a record."""

    def __init__(self, schema, kind, name, key, versions, flexible, line):
        self.schema = schema
        self.kind = kind
        self.name = name
        self.c_name = name if kind == 'record' else name + '_' + kind
        self.key = key
        self.versions = versions
        self.flexible = flexible
        self.structs = []  # Nested before enclosing; the last is the message itself.
        self.line = line

    def root(self):
        return self.structs[-1]

    def streamed(self):
        return {f.struct for s in self.structs for f in s.fields if f.stream and f.struct}

    def read_in_streams(self):
        """The structs that can be decoded element by element: of requests that end in a stream."""
        root = self.root()
        if self.kind != 'request' or not root.plain() or root.plain()[-1] is not root.stream():
            return set()
        return self.streamed() | {root}


class Schema:
    def __init__(self, path):
        self.path = path
        self.name = os.path.splitext(os.path.basename(path))[0]
        self.messages = []
        self.advertise = None
        self.dispatched = True

    def is_api(self):
        return self.messages[0].kind != 'record'


def camel(name):
    return ''.join(word.capitalize() for word in name.split('_'))


def parse_range(text, outer):
    """'3+', '-4', '3-4' or '3' within outer."""
    match = re.fullmatch(r'(\d*)(-?)(\d*)(\+?)', text)
    if not match or not text:
        raise ValueError('not a range of versions: ' + text)
    first, dash, last, plus = match.groups()
    low = int(first) if first else outer[0]
    high = int(last) if last else (outer[1] if plus else low)
    if low > high or low < outer[0] or high > outer[1] or (dash and plus):
        raise ValueError('versions %s are not within %d-%d' % ((text,) + outer))
    return low, high


def is_range(word):
    return re.fullmatch(r'\d+\+|-\d+|\d+-\d+|\d+', word) is not None


class Parser:
    def __init__(self, path):
        self.schema = Schema(path)
        self.line = 0
        self.head = None      # The words of the last `api` line, as a dict.
        self.message = None
        self.stack = []       # Structs, by depth of indentation.
        self.pending = None   # A struct whose fields may follow.

    def fail(self, text):
        raise SchemaError('%s:%d: %s' % (self.schema.path, self.line, text))

    def parse(self):
        with open(self.schema.path, encoding='ascii') as file:
            for self.line, text in enumerate(file, 1):
                text = text.split('#')[0].rstrip()
                if not text:
                    continue
                try:
                    self.parse_line(text)
                except (ValueError, IndexError, KeyError) as error:
                    self.fail(str(error))
        self.finish_message()
        if not self.schema.messages:
            self.fail('no message')
        return self.schema

    def parse_line(self, text):
        depth = len(text) - len(text.lstrip())
        words = text.split()
        if depth == 0:
            self.finish_message()
            if words[0] in ('api', 'record'):
                self.parse_head(words)
            elif words[0] in ('request', 'response') and self.head and len(words) == 1:
                self.start_message(words[0])
            else:
                raise ValueError('expected api, record, request or response')
            return
        if depth % 4 or self.message is None:
            raise ValueError('indentation')
        depth //= 4
        if depth == len(self.stack) + 1 and self.pending:
            self.stack.append(self.pending)
        elif depth > len(self.stack):
            raise ValueError('indentation')
        self.pop_to(depth)
        self.parse_field(words)

    def parse_head(self, words):
        options = dict(zip(words[2::2], words[3::2]))
        first, _, last = options.pop('versions').partition('-')
        flexible = options.pop('flexible')
        self.head = {
            'name': words[1],
            'key': int(options.pop('key')) if 'key' in options else None,
            'versions': (int(first), int(last or first)),
            'flexible': VERSION_END if flexible == 'none' else int(flexible.rstrip('+')),
        }
        if words[0] == 'api':
            self.schema.advertise = int(options.pop('advertise', self.head['versions'][0]))
            self.schema.dispatched = {'yes': True, 'no': False}[options.pop('dispatch', 'yes')]
        if options:
            raise ValueError('unknown option ' + ' '.join(options))
        if words[0] == 'record':
            self.start_message('record')

    def start_message(self, kind):
        self.message = Message(self.schema, kind, line=self.line, **self.head)
        self.stack = [Struct(self.message, None, self.message.versions)]
        self.pending = None

    def pop_to(self, depth):
        while len(self.stack) > depth:
            self.message.structs.append(self.stack.pop())
        self.pending = None

    def finish_message(self):
        if self.message:
            self.pop_to(0)
            self.schema.messages.append(self.message)
            self.message = None

    def known_struct(self, name):
        return next((s for s in self.message.structs + self.stack if s.name == name), None)

    def parse_field(self, words):
        outer = self.stack[-1]
        field = Field(words.pop(0))
        self.parse_type(field, words.pop(0))
        field.versions = outer.versions
        if words and is_range(words[0]):
            field.versions = parse_range(words.pop(0), outer.versions)
        while words:
            self.parse_option(field, words.pop(0), words)
        if field.type == 'struct':
            self.use_struct(field)
        self.check_field(field)
        outer.fields.append(field)

    def parse_type(self, field, text):
        if text[0] == '[':
            field.is_array = True
            text = text[1:-1]
            field.type = text if text in ARRAY_ITEMS else 'struct'
        elif text[0] == '{':
            field.type, text = 'struct', text[1:-1]
        else:
            field.type = text
            if text not in SCALARS and text not in TEXTS:
                raise ValueError('unknown type ' + text)
        if field.type == 'struct':
            field.struct = text

    def parse_option(self, field, word, words):
        if word in ('ignorable', 'stream'):
            setattr(field, word, True)
        elif word == 'null':
            field.nulls = field.versions
            if words and is_range(words[0]):
                field.nulls = parse_range(words.pop(0), field.versions)
        elif word in ('tag', 'max', 'each'):
            setattr(field, word, int(words.pop(0)))
        elif word == 'default':
            field.default = words.pop(0)
        else:
            raise ValueError('unknown option ' + word)

    def use_struct(self, field):
        known = self.known_struct(field.struct)
        if known is None:
            field.struct = self.pending = Struct(self.message, field.struct, field.versions)
            return
        known.widen((min(known.versions[0], field.versions[0]),
                     max(known.versions[1], field.versions[1])))
        field.struct = known

    def check_field(self, field):
        if not re.fullmatch(r'[a-z][a-z0-9_]*', field.name):
            self.fail('a field name is made of a-z, 0-9 and _')
        if (field.max is None) != (field.type in SCALARS or field.type == 'struct') \
                and not field.is_array:
            self.fail('max belongs to strings, blobs and arrays, and to all of them')
        if field.is_array and field.max is None:
            self.fail('an array needs a max')
        if (field.each is not None) != (field.is_array and field.type == 'string'):
            self.fail('each belongs to arrays of strings, and to all of them')
        if field.tag is not None and field.versions[0] < self.message.flexible:
            self.fail('a tag needs flexible versions')
        if field.default == 'null' and not field.nulls:
            self.fail('default null, but not nullable')
        if field.stream and not (field.is_array and field.type == 'struct'):
            self.fail('only arrays of structs are streams')


def parse_file(path):
    return Parser(path).parse()


def check_all(schemas):
    """What one file cannot see: names, keys and tags are unique, structs have fields."""
    names = set()
    keys = set()
    for message in (m for s in schemas for m in s.messages):
        where = '%s:%d: ' % (message.schema.path, message.line)
        if message.key is not None:
            key = (message.kind, message.key)
            if key in keys:
                raise SchemaError(where + 'the key is taken')
            keys.add(key)
        for struct in message.structs:
            if struct.c_name in names:
                raise SchemaError(where + 'two structs are named ' + struct.c_name)
            names.add(struct.c_name)
            tags = [f.tag for f in struct.tagged()]
            if len(tags) != len(set(tags)):
                raise SchemaError(where + 'a tag is used twice in ' + struct.c_name)
            if any(f.struct and f.struct not in message.structs for f in struct.fields):
                raise SchemaError(where + 'a struct without fields in ' + struct.c_name)
            if len([f for f in struct.fields if f.stream]) > 1:
                raise SchemaError(where + struct.c_name + ' has two streams')
    for schema in schemas:
        if schema.is_api() and [m.kind for m in schema.messages] != ['request', 'response']:
            raise SchemaError(schema.path + ': an api is a request and a response')
