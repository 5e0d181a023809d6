// Coverage is of lib/, and not of what tests run of dist/ or examples/.
export default () => ['lib/**/*.ts']
