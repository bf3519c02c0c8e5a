fn main() {
    granular::build()
}
