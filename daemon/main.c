#include "base/descriptor.h"
#include "command-line.h"

#include <stdlib.h>

int main(int argc, char **argv) {
        if (descriptor_fill_standard() < 0)
                return EXIT_FAILURE;
        return command_line_run(argc, argv);
}
