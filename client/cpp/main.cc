// The `mgral` command.
#include <iostream>

#include "client/cpp/command/commands.h"

int main(int argc, char** argv) {
  return mgral::client::RunMgral(argc, argv, std::cout, std::cerr);
}
