"""The project's own generator, as a process that is asked for trials."""
import json
import os
import subprocess

from installation import BenchError, cores, memory


class Generator:
    """devices: DPDK's arguments for them, in the order of the sides: `--vdev=...`, `--allow=...`"""

    def __init__(self, programs, build, devices, **more):
        self.programs = programs
        self.path = f'{build}/pktgen-tests/generator/ballast-generator'
        eal = ['-l', str(more.get('core', cores()[0])), '--no-telemetry', '--file-prefix',
               f'generator{os.getpid()}', *memory(more.get('huge', False), 128), *devices]
        if not any(word.startswith(('-a', '--allow')) for word in devices):
            eal.append('--no-pci')
        command = [self.path, '--arms', str(more.get('arms', 1))]
        if more.get('dut_mac'):
            command += ['--dut-mac', more['dut_mac']]
        self.process = programs.start('generator', [*command, '--', *eal], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE)
        self.hello = self.read()

    def read(self):
        while True:
            line = self.process.stdout.readline()
            if not line:
                raise BenchError(f'the generator ended:\n{self.programs.log("generator")}')
            # DPDK's drivers write to standard output too.
            if line.startswith('{'):
                break
        said = json.loads(line)
        if 'error' in said:
            raise BenchError(f'the generator refused: {said["error"]}')
        return said

    def begin(self, **words):
        text = ' '.join(f'{name}={value}' for name, value in words.items())
        self.process.stdin.write(text + '\n')
        self.process.stdin.flush()

    def end(self):
        """Ends a trial that has no end of its own; its result."""
        self.process.stdin.write('\n')
        self.process.stdin.flush()
        return self.read()

    def trial(self, **words):
        """One of a bounded length; its result."""
        self.begin(**words)
        return self.read()
