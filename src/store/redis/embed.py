#!/usr/bin/env python3
"""embed.py OUT FILE... - the files, one after the other, as the C string redis_library."""

import sys

with open(sys.argv[1], "w") as out:
    out.write('#include "store/redis/redis_int.h"\n\nconst char redis_library[] =\n')
    for path in sys.argv[2:]:
        with open(path) as source:
            for line in source.read().splitlines():
                text = line.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t")
                out.write(f'\t"{text}\\n"\n')
    out.write("\t;\n")
